//! Records that wait for an operator: looking at them, and saying what is to be done.

mod desk;
mod instruction;
mod letter;
mod record_id;

pub(crate) use self::{
    desk::{Denied, Desk},
    instruction::{Action, Instruction},
    letter::{Detail, Letter, Selection, State, shown},
    record_id::RecordId,
};
