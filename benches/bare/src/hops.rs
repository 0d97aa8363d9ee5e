//! The six hops.

mod expand;
mod table;
mod topping;

pub(crate) use self::{
    expand::Expand,
    table::Finish,
    topping::{Topping, What},
};
