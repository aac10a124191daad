//! The two business messages the tests trade with, at the places schema 9 has their fields.

/// NewOrderSingle(514): bytes of the frame, and where the fields are.
const ORDER_LEN: usize = 12 + 132;
const ORDER_CL_ORD_ID: usize = 12 + 41;

/// ExecutionReportNew(522).
const REPORT_LEN: usize = 12 + 226;
const REPORT_CL_ORD_ID: usize = 12 + 72;

pub const ORDER: u16 = 514;
pub const REPORT: u16 = 522;

fn head(room: &mut [u8], len: usize, block: u16, template: u16) -> Option<&mut [u8]> {
    let frame = room.get_mut(..len)?;
    frame.fill(0);
    let words = [u16::try_from(len).ok()?, 0xCAFE, block, template, 8, 9];
    for (place, word) in frame.chunks_mut(2).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    Some(frame)
}

/// Writes an order. Answers its length.
pub fn order(room: &mut [u8], id: &str) -> Result<usize, ()> {
    let frame = head(room, ORDER_LEN, 132, ORDER).ok_or(())?;
    frame[ORDER_CL_ORD_ID..ORDER_CL_ORD_ID + id.len()].copy_from_slice(id.as_bytes());
    Ok(ORDER_LEN)
}

/// Writes a report on the order with this ClOrdID(11).
pub fn report(room: &mut [u8], id: &[u8]) -> Result<usize, ()> {
    let frame = head(room, REPORT_LEN, 226, REPORT).ok_or(())?;
    frame[REPORT_CL_ORD_ID..REPORT_CL_ORD_ID + 20].copy_from_slice(id);
    Ok(REPORT_LEN)
}

/// ClOrdID(11) of an order or a report, padding included.
pub fn cl_ord_id(template: u16, block: &[u8]) -> &[u8] {
    let at = match template {
        ORDER => ORDER_CL_ORD_ID,
        REPORT => REPORT_CL_ORD_ID,
        other => panic!("not an order and not a report: {other}"),
    };
    &block[at - 12..at + 8]
}

/// The same as text.
pub fn id_of(template: u16, block: &[u8]) -> String {
    let id = cl_ord_id(template, block);
    let end = id.iter().position(|&byte| byte == 0).unwrap_or(id.len());
    String::from_utf8(id[..end].to_vec()).unwrap()
}
