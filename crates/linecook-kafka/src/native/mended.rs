//! What this crate mends in librdkafka's own source, until it is mended there.
//!
//! `build.rs` builds one of its files once more. The linker takes a file out of an archive when something of it is missing:
//! as this crate's archive comes first and has all that the file offers, librdkafka's own stays where it is. Should a linker
//! take both, it says so and fails; should it take the other one, the mark is missing.
//!
//! What is mended: a broker that comes up says of some partitions that it is their leader and of others that nobody is, in
//! one reply. librdkafka 2.4 to 2.12 then reads a list past its end, and now and then the process is gone by SIGSEGV
//! (<https://github.com/confluentinc/librdkafka/issues/5280>).

unsafe extern "C" {
    safe fn linecook_mended_fetcher();
}

/// Called before a client is made, so that the linker needs what is mended.
pub(crate) fn link() {
    linecook_mended_fetcher();
}

#[cfg(test)]
mod tests;
