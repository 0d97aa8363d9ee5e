mod handling;
mod recovering;
