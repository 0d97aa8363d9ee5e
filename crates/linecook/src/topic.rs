//! Typed names of topics.

use std::{borrow::Cow, fmt, marker::PhantomData};

use linecook_log::{Result, TopicName};

use crate::name;

/// The name of a topic together with the types of its keys and values: a constant that all services share.
///
/// ```
/// use linecook::Topic;
///
/// const ORDERS: Topic<u64, String> = Topic::new("orders");
/// assert_eq!(ORDERS.name(), "orders");
/// ```
///
/// A name that no log would take does not compile:
///
/// ```compile_fail
/// # use linecook::Topic;
/// const ORDERS: Topic<u64, String> = Topic::new("new orders");
/// ```
pub struct Topic<K, V> {
    name: Cow<'static, str>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Topic<K, V> {
    /// The topic of that name.
    ///
    /// # Panics
    /// When it is not a topic's name, see [`TopicName::new`]. In a constant that is an error of the compiler.
    pub const fn new(name: &'static str) -> Self {
        name::assert_is_name(name);
        Self { name: Cow::Borrowed(name), types: PhantomData }
    }

    /// A topic whose name is known at run time only, by a setting.
    ///
    /// # Errors
    /// `Invalid` when it is not a topic's name.
    pub fn named(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        TopicName::new(&name)?;
        Ok(Self { name: Cow::Owned(name), types: PhantomData })
    }

    /// The same topic for who only reads it, and needs little of its values: they are read as another type. What that type
    /// does not look at is not looked at, so a value may be good for one reader and not for another.
    ///
    /// ```
    /// use linecook::Topic;
    ///
    /// linecook::event! {
    ///     pub struct Pizza { pub sauce: String, pub cheese: String }
    /// }
    /// linecook::event! {
    ///     pub struct ItsCheese { pub cheese: String, .. }
    /// }
    ///
    /// const BAKED: Topic<u64, Pizza> = Topic::new("baked");
    /// let cheeses: Topic<u64, ItsCheese> = BAKED.read_as();
    /// assert_eq!(cheeses.name(), "baked");
    /// ```
    pub fn read_as<W>(self) -> Topic<K, W> {
        Topic { name: self.name, types: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name as logs take it.
    pub(crate) fn log_name(&self) -> TopicName {
        TopicName::new(&self.name).expect("the constructors take names only")
    }
}

impl<K, V> Clone for Topic<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for Topic<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::ErrorKind;

    use super::*;

    #[test]
    fn a_topic_can_be_named_by_a_setting() {
        let topic: Topic<u64, String> = Topic::named("orders-of-today").unwrap();
        assert_eq!(topic.log_name().as_str(), "orders-of-today");
        assert_eq!(Topic::<u64, String>::named("no name").unwrap_err().kind(), ErrorKind::Invalid);
    }
}
