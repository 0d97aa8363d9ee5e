//! Events that keep the fields they do not know, so that services written at other times, or by others, can add some.
//!
//! serde's `flatten` cannot do it: it holds every field in a buffer on the way, which rewrites numbers (`0.10` comes
//! out as `0.1`, `1e400` not at all). [`event!`](crate::event) reads the fields one by one instead and keeps an
//! unknown one as the text it was.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

/// The fields of an event that its type does not know, in order, each value as the text it came as. Without any it
/// allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct UnknownFields(Vec<(Box<str>, Box<RawValue>)>);

impl UnknownFields {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Their names and the JSON of their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.get()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for UnknownFields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UnknownFields {}

/// What an event keeps of the fields that it does not know, if it only reads its own: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedOver;

/// What becomes of the fields that an event does not know.
#[doc(hidden)]
pub trait OtherFields: Default {
    /// Reads the value of a field.
    fn keep_next<'de, A: MapAccess<'de>>(&mut self, name: FieldName<'de>, map: &mut A) -> Result<(), A::Error>;

    /// Writes what was kept into the object that `map` writes.
    fn write_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

impl OtherFields for UnknownFields {
    fn keep_next<'de, A: MapAccess<'de>>(&mut self, name: FieldName<'de>, map: &mut A) -> Result<(), A::Error> {
        self.0.push((name.0.into(), map.next_value()?));
        Ok(())
    }

    fn write_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))
    }
}

impl OtherFields for PassedOver {
    fn keep_next<'de, A: MapAccess<'de>>(&mut self, _name: FieldName<'de>, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn write_into<M: SerializeMap>(&self, _map: &mut M) -> Result<(), M::Error> {
        Ok(())
    }
}

/// The name of a field as it was read: borrowed unless it was written with escapes.
#[doc(hidden)]
#[derive(Debug)]
pub struct FieldName<'de>(Cow<'de, str>);

impl FieldName<'_> {
    /// Whether it is the name of the field with that key. Inlined: comparing it with a text that the compiler knows is
    /// comparing a number or two.
    #[inline(always)]
    pub fn is(&self, key: &'static str) -> bool {
        *self.0 == *key
    }
}

impl<'de> Deserialize<'de> for FieldName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(FieldNameVisitor)
    }
}

struct FieldNameVisitor;

impl<'de> Visitor<'de> for FieldNameVisitor {
    type Value = FieldName<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(FieldName(Cow::Owned(name.to_owned())))
    }
}

/// Begins the object that an event is written as.
#[doc(hidden)]
pub fn begin_object<S: Serializer>(serializer: S) -> Result<S::SerializeMap, S::Error> {
    // No length: serde_json does not want one, and counting would be work for each record.
    serializer.serialize_map(None)
}

/// Makes a struct an event that reads and writes JSON and keeps the fields it does not know.
///
/// The struct gets one more field, `unknown`, and `Debug`, `Clone` and `PartialEq`. A field's name is its key. It must
/// be there exactly once, unless a default is declared with `=`. What is unknown is written behind what is known.
///
/// ```
/// use linecook::Event;
///
/// linecook::event! {
///     /// A pizza on its way.
///     pub struct Pizza {
///         pub order_id: String,
///         pub sauce: String,
///         pub number: u32 = 1,
///     }
/// }
///
/// let mut pizza = Pizza::decode(br#"{"order_id": "7", "price": 12.50, "sauce": ""}"#)?;
/// pizza.sauce = "pesto".into();
/// let mut json = Vec::new();
/// pizza.encode(&mut json)?;
/// assert_eq!(json, br#"{"order_id":"7","sauce":"pesto","number":1,"price":12.50}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With `..` behind the fields it is for who only reads, and needs few of them: what it does not know is passed over, which
/// takes a fraction of the time, and is not there when it is written. See [`Topic::read_as`](crate::Topic::read_as).
///
/// ```
/// # use linecook::Event;
/// linecook::event! {
///     /// The sauce of a pizza.
///     pub struct ItsSauce { pub sauce: String, .. }
/// }
/// assert_eq!(ItsSauce::decode(br#"{"order_id": "7", "sauce": "pesto"}"#)?.sauce, "pesto");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! event {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $event:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty $(= $default:expr)?),+ , ..
        }
    ) => {
        $crate::event!(@define $crate::PassedOver,
            $(#[$attribute])*
            $visibility struct $event {
                $($(#[$field_attribute])* $field_visibility $field: $type $(= $default)?,)*
            }
        );
    };
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $event:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty $(= $default:expr)?),* $(,)?
        }
    ) => {
        $crate::event!(@define $crate::UnknownFields,
            $(#[$attribute])*
            $visibility struct $event {
                $($(#[$field_attribute])* $field_visibility $field: $type $(= $default)?,)*
            }
        );
    };
    (
        @define $others:ty,
        $(#[$attribute:meta])*
        $visibility:vis struct $event:ident {
            $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty $(= $default:expr)?,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq)]
        $visibility struct $event {
            $($(#[$field_attribute])* $field_visibility $field: $type,)*
            /// What is kept of the fields that this type does not know: see the type.
            pub unknown: $others,
        }

        impl<'de> $crate::serde::Deserialize<'de> for $event {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct Fields;

                impl<'de> $crate::serde::de::Visitor<'de> for Fields {
                    type Value = $event;

                    fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        f.write_str(::core::concat!("an object of type ", ::core::stringify!($event)))
                    }

                    fn visit_map<A: $crate::serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> ::core::result::Result<$event, A::Error> {
                        $(let mut $field: ::core::option::Option<$type> = ::core::option::Option::None;)*
                        let mut unknown = <$others>::default();
                        while let ::core::option::Option::Some(name) = map.next_key::<$crate::json::FieldName<'de>>()? {
                            $(if name.is(const { $crate::json::plain(::core::stringify!($field)) }) {
                                if $field.replace(map.next_value()?).is_some() {
                                    return ::core::result::Result::Err(
                                        <A::Error as $crate::serde::de::Error>::duplicate_field(
                                            const { $crate::json::plain(::core::stringify!($field)) },
                                        ),
                                    );
                                }
                                continue;
                            })*
                            $crate::json::OtherFields::keep_next(&mut unknown, name, &mut map)?;
                        }
                        ::core::result::Result::Ok($event {
                            $($field: match $field {
                                ::core::option::Option::Some(value) => value,
                                ::core::option::Option::None => $crate::event!(@missing A, $field $(, $default)?),
                            },)*
                            unknown,
                        })
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }

        impl $crate::serde::Serialize for $event {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                let mut map = $crate::json::begin_object(serializer)?;
                $($crate::serde::ser::SerializeMap::serialize_entry(
                    &mut map,
                    const { $crate::json::plain(::core::stringify!($field)) },
                    &self.$field,
                )?;)*
                $crate::json::OtherFields::write_into(&self.unknown, &mut map)?;
                $crate::serde::ser::SerializeMap::end(map)
            }
        }
    };
    (@missing $access:ident, $field:ident) => {
        return ::core::result::Result::Err(<$access::Error as $crate::serde::de::Error>::missing_field(
            const { $crate::json::plain(::core::stringify!($field)) },
        ))
    };
    (@missing $access:ident, $field:ident, $default:expr) => {
        $default
    };
}

/// The key of the field with that identifier: `r#type` is written as `type`.
#[doc(hidden)]
pub const fn plain(identifier: &'static str) -> &'static str {
    let [b'r', b'#', key @ ..] = identifier.as_bytes() else { return identifier };
    match str::from_utf8(key) {
        Ok(key) => key,
        Err(_) => identifier,
    }
}

#[cfg(test)]
mod tests;
