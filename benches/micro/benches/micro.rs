//! Times each case: `cargo bench -p micro`, or `cargo bench -p micro -- stage` for some.

use divan::{Bencher, counter::ItemsCount};
use micro::{CASES, Case};

/// Few enough for a set-up that writes to the disk, many enough that what a case does once does not count.
const RECORDS: u32 = 20_000;

fn main() {
    divan::main();
}

/// Shown is the time of all of them, and records a second.
#[divan::bench(args = CASES, sample_count = 30, sample_size = 1)]
fn records(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(|| case.prepare(RECORDS)).bench_local_values(|work| work()); // divan drops what is given back later
}
