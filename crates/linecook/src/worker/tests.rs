mod handling;
mod moving;
mod recovering;
