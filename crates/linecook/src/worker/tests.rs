mod handling;
mod holding;
mod moving;
mod recovering;
mod refusing;
mod retrying;
