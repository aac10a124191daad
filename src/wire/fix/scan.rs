//! The two loops every byte goes through: the CheckSum(10) sum and the search for SOH.
//!
//! The search exists twice: with SSE2, which every x86_64 has, and in portable Rust. Both are compiled
//! wherever they can be and must give identical results for every input; the tests compare them.
//! Nothing here knows what a field is.
#![allow(unsafe_code)]

/// The byte that ends every field.
pub const SOH: u8 = 0x01;

/// Bytes looked at by one step of a search.
pub const BLOCK: usize = 64;

/// Sum of all bytes modulo 256.
///
/// One version only: the compiler turns this loop into vector additions of bytes, which was faster
/// than the hand-written sum of absolute differences (3.3 against 4.7 ns for 205 bytes).
#[inline]
#[must_use]
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |sum: u8, &byte| sum.wrapping_add(byte))
}

/// One bit per byte of `block` that is SOH, the first byte in the lowest bit.
#[inline]
#[must_use]
pub fn soh_mask(block: &[u8; BLOCK]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 processor has SSE2; the target guarantees it.
    return unsafe { sse2::soh_mask(block) };
    #[cfg(not(target_arch = "x86_64"))]
    return portable::soh_mask(block);
}

/// Offset of the first SOH at or after `from`.
#[inline]
#[must_use]
pub fn find_soh(bytes: &[u8], from: usize) -> Option<usize> {
    Delimiters::new(bytes, from).next()
}

/// The offsets of SOH bytes, in order, with the means to jump over data that may contain them.
#[derive(Clone, Debug)]
pub struct Delimiters<'a> {
    bytes: &'a [u8],
    /// Where the block behind `mask` begins.
    base: usize,
    /// SOH bytes of that block not given out yet.
    mask: u64,
}

impl<'a> Delimiters<'a> {
    /// Starts at offset `from`.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8], from: usize) -> Self {
        let mut delimiters = Self {
            bytes,
            base: 0,
            mask: 0,
        };
        delimiters.seek(from);
        delimiters
    }

    /// Continues at offset `from`, whatever was given out before.
    #[inline]
    pub fn seek(&mut self, from: usize) {
        self.base = from;
        self.mask = mask_from(self.bytes, from);
    }
}

impl Iterator for Delimiters<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.base = self.base.checked_add(BLOCK)?;
            if self.base >= self.bytes.len() {
                // Stay here: asking again must not wrap around.
                self.base = self.bytes.len();
                return None;
            }
            self.mask = mask_from(self.bytes, self.base);
        }
        let at = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }
}

/// SOH mask of the up to 64 bytes at `from`; no bits beyond the end.
#[inline]
fn mask_from(bytes: &[u8], from: usize) -> u64 {
    let rest = bytes.get(from..).unwrap_or_default();
    if let Some(block) = rest.first_chunk::<BLOCK>() {
        return soh_mask(block);
    }
    if rest.is_empty() {
        return 0;
    }
    // The end of a longer frame: look at its last 64 bytes and shift out those already seen, which
    // is cheaper than a copy.
    if let Some(block) = bytes.last_chunk::<BLOCK>() {
        return soh_mask(block) >> (BLOCK - rest.len());
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    soh_mask(&block)
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8,
    };

    use super::{BLOCK, SOH};

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn soh_mask(block: &[u8; BLOCK]) -> u64 {
        let soh = _mm_set1_epi8(SOH as i8);
        let (chunks, _) = block.as_chunks::<16>();
        let mut mask = 0;
        for (nth, chunk) in chunks.iter().enumerate() {
            let bits = _mm_movemask_epi8(_mm_cmpeq_epi8(load(chunk), soh));
            mask |= u64::from(bits.cast_unsigned()) << (16 * nth);
        }
        mask
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load(chunk: &[u8; 16]) -> __m128i {
        // SAFETY: the reference guarantees 16 readable bytes and the load needs no alignment.
        unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) }
    }
}

/// The same search without processor instructions of their own: what other processors run, and
/// what tests and benchmarks compare with.
pub mod portable {
    use super::{BLOCK, SOH};

    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const SOHS: u64 = u64::from_ne_bytes([SOH; 8]);
    /// Multiplying bit 0 of every byte by this collects them, first byte lowest, in the top byte.
    const COLLECT: u64 = 0x0102_0408_1020_4080;

    /// See [`soh_mask`](super::soh_mask).
    #[inline]
    #[must_use]
    pub fn soh_mask(block: &[u8; BLOCK]) -> u64 {
        let (words, _) = block.as_chunks::<8>();
        let mut mask = 0;
        for (nth, word) in words.iter().enumerate() {
            // Bytes that are SOH become zero, and exactly the zero bytes get bit 0 set: the addition
            // of seven bits cannot carry into the next byte.
            let zeroed = u64::from_le_bytes(*word) ^ SOHS;
            let ones = !(((zeroed & LOW_BITS) + LOW_BITS) | zeroed | LOW_BITS) >> 7;
            mask |= (ones.wrapping_mul(COLLECT) >> 56) << (8 * nth);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain_sum(bytes: &[u8]) -> u8 {
        (bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() % 256) as u8
    }

    fn plain_sohs(bytes: &[u8]) -> Vec<usize> {
        (0..bytes.len()).filter(|&at| bytes[at] == SOH).collect()
    }

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Few different values, so that SOH and its neighbours 0, 2, 0x81 are frequent.
                [0, 1, 2, 1, 0x81, 0x80, 0xff, (state >> 8) as u8][(state % 8) as usize]
            })
            .collect()
    }

    #[test]
    fn sums_are_right_at_every_alignment_and_length() {
        let bytes = noise(400, 7);
        for start in 0..32 {
            for end in start..bytes.len() {
                let part = &bytes[start..end];
                assert_eq!(checksum(part), plain_sum(part));
            }
        }
    }

    #[test]
    fn sum_does_not_saturate() {
        let bytes = vec![0xff; 1 << 20];
        assert_eq!(checksum(&bytes), plain_sum(&bytes));
    }

    #[test]
    fn both_masks_agree_at_every_alignment() {
        for seed in 0..50 {
            let bytes = noise(192, seed);
            for start in 0..128 {
                let block: &[u8; BLOCK] = bytes[start..].first_chunk().unwrap();
                let expected = block
                    .iter()
                    .enumerate()
                    .fold(0, |mask, (at, &b)| mask | u64::from(b == SOH) << at);
                assert_eq!(soh_mask(block), expected);
                assert_eq!(portable::soh_mask(block), expected);
            }
        }
    }

    #[test]
    fn delimiters_are_complete_for_every_length_and_start() {
        let bytes = noise(200, 3);
        for end in 0..bytes.len() {
            for from in 0..=end + 1 {
                let expected: Vec<usize> = plain_sohs(&bytes[..end])
                    .into_iter()
                    .filter(|&at| at >= from)
                    .collect();
                assert_eq!(
                    Delimiters::new(&bytes[..end], from).collect::<Vec<_>>(),
                    expected
                );
            }
        }
    }

    #[test]
    fn an_exhausted_search_stays_exhausted() {
        let mut delimiters = Delimiters::new(b"a\x01", 0);
        assert_eq!(delimiters.next(), Some(1));
        assert_eq!(delimiters.next(), None);
        assert_eq!(delimiters.next(), None);
        delimiters.seek(usize::MAX);
        assert_eq!(delimiters.next(), None);
        delimiters.seek(0);
        assert_eq!(delimiters.next(), Some(1));
    }

    proptest! {
        #[test]
        fn random_bytes_give_identical_results(bytes in proptest::collection::vec(any::<u8>(), 64..300)) {
            prop_assert_eq!(checksum(&bytes), plain_sum(&bytes));
            let block: &[u8; BLOCK] = bytes.first_chunk().unwrap();
            prop_assert_eq!(soh_mask(block), portable::soh_mask(block));
        }
    }
}
