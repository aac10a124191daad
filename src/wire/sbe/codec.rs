//! The macros that generated code consists of: a typed view and a typed encoder from one list of fields.
//!
//! `pinfix sbe generate` writes calls of them. They are public so that what it writes can live in another crate.

/// A message of a schema: its view, its encoder and its description.
#[macro_export]
#[doc(hidden)]
macro_rules! sbe_message {
    (
        $(#[$doc:meta])*
        $Name:ident $Encoder:ident = $id:literal $semantic:literal since $since:literal of $schema:literal version $version:literal encoding $encoding:literal;
        $($body:tt)*
    ) => {
        $crate::wire::sbe::group! {
            $(#[$doc])*
            $Name $Encoder since $since;
            $($body)*
        }

        impl<'a> $Name<'a> {
            /// `templateId` of the message.
            pub const TEMPLATE_ID: u16 = $id;

            /// The message at run time.
            pub const DESCRIPTION: &'static $crate::wire::sbe::MessageDescription =
                &$crate::wire::sbe::MessageDescription {
                    name: stringify!($Name),
                    template_id: $id,
                    semantic_type: $semantic,
                    since: $since,
                    schema_id: $schema,
                    version: $version,
                    encoding_type: $encoding,
                    body: Self::BODY,
                };

            /// The message in `frame`, checked once and whole.
            ///
            /// # Errors
            ///
            /// Another message or schema, a block without a required field, a group or data cut short.
            #[inline]
            pub fn read(
                frame: &$crate::wire::sbe::Frame<'a>,
            ) -> Result<Self, $crate::wire::sbe::DecodeError> {
                $crate::wire::sbe::read(frame, $id, $schema)
            }

            /// Writes the same values into `room`, in `version` of the schema; what that version is without is left
            /// out. The length of the whole message.
            ///
            /// # Errors
            ///
            /// Not enough room, and a version without the message.
            pub fn write(
                &self,
                room: &mut [u8],
                version: u16,
            ) -> Result<usize, $crate::wire::sbe::EncodeError> {
                let mut encoder = $Encoder::new(room, version)?;
                self.copy_to(&mut encoder);
                encoder.finish()
            }
        }

        impl<'w> $Encoder<'w> {
            /// Starts the message at the front of `room`, in `version` of the schema: optional fields are null,
            /// the others zero, groups and data empty.
            ///
            /// # Errors
            ///
            /// Not enough room, and a version without the message.
            #[inline]
            pub fn new(
                room: &'w mut [u8],
                version: u16,
            ) -> Result<Self, $crate::wire::sbe::EncodeError> {
                let writer = $crate::wire::sbe::Writer::message(room, $Name::DESCRIPTION, version)?;
                Ok(Self { writer })
            }

            /// Ends the message. Its whole length in bytes, framing header included.
            ///
            /// # Errors
            ///
            /// The first value that did not fit, group out of order, or lack of room since the start.
            #[inline]
            pub fn finish(&mut self) -> Result<usize, $crate::wire::sbe::EncodeError> {
                self.writer.finish()
            }
        }
    };
}

/// An entry of a group: its view, its encoder and its description.
#[macro_export]
#[doc(hidden)]
macro_rules! sbe_group {
    (
        $(#[$doc:meta])*
        $Name:ident $Encoder:ident since $since:literal;
        block $block:literal;
        fields { $($field:ident $fname:literal $tag:literal @ $offset:literal since $fsince:literal: $T:ty;)* }
        constants { $(const $constant:ident $cname:literal $ctag:literal: $C:ty = $cvalue:expr, $ctext:literal;)* }
        groups { $(group $nth:literal $group:ident $gname:literal $gtag:literal since $gsince:literal count $count:literal: $Entry:ident $EntryEncoder:ident;)* }
        data { $(data $dnth:literal $data:ident $dname:literal $dtag:literal since $dsince:literal length $length:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $Name<'a> {
            block: $crate::wire::sbe::Block<'a>,
            $($group: $crate::wire::sbe::Group<'a, $Entry<'a>>,)*
            $($data: &'a [u8],)*
        }

        #[allow(clippy::doc_markdown, reason = "names of a schema")]
        impl<'a> $Name<'a> {
            /// Block, groups and data at run time.
            pub const BODY: &'static $crate::wire::sbe::Body = &$crate::wire::sbe::Body {
                block_length: $block,
                newest: $crate::wire::sbe::newest(&[0, $($fsince,)*]),
                image: &$crate::wire::sbe::image::<$block>(&[
                    $(($offset, <$T as $crate::wire::sbe::Field>::INITIAL),)*
                ]),
                fields: &[$($crate::wire::sbe::FieldDescription {
                    name: $fname,
                    tag: $tag,
                    offset: $offset,
                    since: $fsince,
                    required: <$T as $crate::wire::sbe::Field>::REQUIRED,
                    kind: <<$T as $crate::wire::sbe::Field>::Scalar as $crate::wire::sbe::Scalar>::KIND,
                    size: <<$T as $crate::wire::sbe::Field>::Scalar as $crate::wire::sbe::Scalar>::SIZE,
                    null: <$T as $crate::wire::sbe::Field>::INITIAL,
                },)*],
                constants: &[$($crate::wire::sbe::ConstantDescription {
                    name: $cname,
                    tag: $ctag,
                    text: $ctext,
                },)*],
                groups: &[$($crate::wire::sbe::GroupDescription {
                    name: $gname,
                    tag: $gtag,
                    since: $gsince,
                    count_size: $count,
                    body: $Entry::BODY,
                },)*],
                data: &[$($crate::wire::sbe::DataDescription {
                    name: $dname,
                    tag: $dtag,
                    since: $dsince,
                    length_size: $length,
                },)*],
            };

            const REQUIRED: &'static [(&'static str, usize)] = &[
                $(($fname, $crate::wire::sbe::required_end::<$T>($offset)),)*
            ];

            const MIN: usize = $crate::wire::sbe::greatest(Self::REQUIRED);

            $(
                #[doc = concat!("Always ", $ctext, " (", $cname, "); takes no bytes.")]
                pub const $constant: $C = $cvalue;
            )*

            $(
                #[doc = concat!("The field ", $fname, " (", $tag, ").")]
                #[inline]
                #[must_use]
                pub fn $field(&self) -> <$T as $crate::wire::sbe::Field>::Value<'a> {
                    self.block.field::<$T>($offset)
                }
            )*

            $(
                #[doc = concat!("The entries of the group ", $gname, " (", $gtag, ").")]
                #[inline]
                #[must_use]
                pub fn $group(&self) -> $crate::wire::sbe::Group<'a, $Entry<'a>> {
                    self.$group
                }
            )*

            $(
                #[doc = concat!("The data ", $dname, " (", $dtag, ").")]
                #[inline]
                #[must_use]
                pub fn $data(&self) -> &'a [u8] {
                    self.$data
                }
            )*

            /// Sets in `encoder` all that is set here.
            pub fn copy_to(&self, encoder: &mut $Encoder<'_>) {
                $(encoder.writer.copy::<$T>($fname, $offset, self.$field());)*
                $(
                    let mut entries = self.$group();
                    encoder.$group(entries.len(), |_, to| {
                        if let Some(entry) = entries.next() {
                            entry.copy_to(to);
                        }
                    });
                )*
                $(encoder.$data(self.$data());)*
            }
        }

        impl<'a> $crate::wire::sbe::Entry<'a> for $Name<'a> {
            const FLAT: bool = Self::BODY.groups.is_empty() && Self::BODY.data.is_empty();

            #[allow(unused_variables, reason = "most entries have no parts")]
            #[inline]
            fn take(
                block: $crate::wire::sbe::Block<'a>,
                parts: &mut $crate::wire::sbe::Parts<'a>,
            ) -> Result<Self, $crate::wire::sbe::DecodeError> {
                block.check(Self::MIN, Self::REQUIRED)?;
                $(let $group = parts.group($gname, $gsince, $count)?;)*
                $(let $data = parts.data($dname, $dsince, $length)?;)*
                Ok(Self {
                    block,
                    $($group,)*
                    $($data,)*
                })
            }
        }

        #[doc = concat!("Writes [`", stringify!($Name), "`]. A field that the version is without is left out.")]
        pub struct $Encoder<'w> {
            writer: $crate::wire::sbe::Writer<'w>,
        }

        impl<'w> $Encoder<'w> {
            $(
                #[doc = concat!("Sets ", $fname, " (", $tag, ").")]
                #[inline]
                pub fn $field(
                    &mut self,
                    value: <<$T as $crate::wire::sbe::Field>::Scalar as $crate::wire::sbe::Scalar>::Value<'_>,
                ) -> &mut Self {
                    self.writer.set::<$T>($fname, $offset, value);
                    self
                }
            )*

            $(
                #[doc = concat!(
                    "Writes `count` entries of the group ", $gname, " (", $gtag,
                    "), each set by `entry`, which is given its number from 0."
                )]
                pub fn $group(
                    &mut self,
                    count: usize,
                    mut entry: impl FnMut(usize, &mut $EntryEncoder<'_>),
                ) -> &mut Self {
                    if self.writer.group($nth, count) {
                        for nth in 0..count {
                            let mut next = $EntryEncoder::of(self.writer.entry($nth));
                            entry(nth, &mut next);
                            let end = next.ended();
                            self.writer.close(end);
                        }
                    }
                    self
                }
            )*

            $(
                #[doc = concat!("Writes the data ", $dname, " (", $dtag, ").")]
                pub fn $data(&mut self, value: &[u8]) -> &mut Self {
                    self.writer.data($dnth, value);
                    self
                }
            )*

            #[allow(dead_code, reason = "used for entries of groups")]
            #[doc(hidden)]
            pub(super) fn of(writer: $crate::wire::sbe::Writer<'w>) -> Self {
                Self { writer }
            }

            #[allow(dead_code, reason = "used for entries of groups")]
            #[doc(hidden)]
            pub(super) fn ended(self) -> (usize, Option<$crate::wire::sbe::EncodeError>) {
                self.writer.ended()
            }
        }
    };
}

/// An enumeration of a schema. Values that the schema does not know survive.
#[macro_export]
#[doc(hidden)]
macro_rules! sbe_enumeration {
    (
        $(#[$doc:meta])*
        $Name:ident $name:literal $Raw:ty: $Scalar:ty, null $null:literal;
        $($constant:ident $label:literal = $value:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(pub $Raw);

        impl $Name {
            $(
                #[doc = concat!($label, ": ", stringify!($value), ".")]
                pub const $constant: Self = Self($value);
            )*

            /// At run time.
            pub const DESCRIPTION: &'static $crate::wire::sbe::EnumDescription =
                &$crate::wire::sbe::EnumDescription {
                    name: $name,
                    raw: &<$Scalar as $crate::wire::sbe::Scalar>::KIND,
                    values: &[$(($value as u64, $label),)*],
                };

            /// What the schema calls the value; `None` for a value that it does not know.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                Self::DESCRIPTION.label(self.0 as u64)
            }
        }

        impl $crate::wire::sbe::Scalar for $Name {
            type Value<'a> = Self;
            const SIZE: usize = <$Scalar as $crate::wire::sbe::Scalar>::SIZE;
            const NULL: &'static [u8] = &(($null) as $Raw).to_le_bytes();
            const KIND: $crate::wire::sbe::Kind = $crate::wire::sbe::Kind::Enum(Self::DESCRIPTION);
            #[inline]
            fn get(bytes: &[u8]) -> Self {
                Self(<$Scalar as $crate::wire::sbe::Scalar>::get(bytes))
            }
            #[inline]
            fn put(value: Self, bytes: &mut [u8]) -> bool {
                <$Scalar as $crate::wire::sbe::Scalar>::put(value.0, bytes)
            }
        }
    };
}

/// A set of choices of a schema, one bit each.
#[macro_export]
#[doc(hidden)]
macro_rules! sbe_set {
    (
        $(#[$doc:meta])*
        $Name:ident $name:literal $Raw:ty;
        $($constant:ident $label:literal = $bit:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $Name(pub $Raw);

        impl $Name {
            $(
                #[doc = concat!($label, ": bit ", stringify!($bit), ".")]
                pub const $constant: Self = Self(1 << $bit);
            )*

            /// At run time.
            pub const DESCRIPTION: &'static $crate::wire::sbe::SetDescription =
                &$crate::wire::sbe::SetDescription {
                    name: $name,
                    choices: &[$(($bit, $label),)*],
                };

            /// Whether all choices of `other` are made.
            #[must_use]
            pub fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl std::ops::BitOr for $Name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl $crate::wire::sbe::Scalar for $Name {
            type Value<'a> = Self;
            const SIZE: usize = <$Raw as $crate::wire::sbe::Scalar>::SIZE;
            const NULL: &'static [u8] = &(0 as $Raw).to_le_bytes();
            const KIND: $crate::wire::sbe::Kind =
                $crate::wire::sbe::Kind::Set(Self::SIZE, Self::DESCRIPTION);
            #[inline]
            fn get(bytes: &[u8]) -> Self {
                Self(<$Raw as $crate::wire::sbe::Scalar>::get(bytes))
            }
            #[inline]
            fn put(value: Self, bytes: &mut [u8]) -> bool {
                <$Raw as $crate::wire::sbe::Scalar>::put(value.0, bytes)
            }
        }
    };
}
