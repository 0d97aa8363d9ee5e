mod handling;
mod holding;
mod moving;
mod recovering;
mod retrying;
