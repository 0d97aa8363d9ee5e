//! Mends librdkafka where it ends the process. Its source is the one that `rdkafka-sys` has built; the file in question is
//! built once more, mended, and is linked in place of the other: see `src/native/mended.rs`.

fn main() {
    #[cfg(feature = "kafka")]
    mended::build();
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "kafka")]
mod mended {
    use std::{env, fs, path::Path};

    /// The end of what is done for each topic of a reply to a fetch that says who leads its partitions now. Partitions that
    /// nobody leads are counted, but left out of the list, whose end is then whatever the memory had in it.
    /// <https://github.com/confluentinc/librdkafka/issues/5280>
    const HERE: &str = "                        changed_topic++;\n";
    const MENDED: &str = "                        md->topics[changed_topic].partition_cnt = changed_partition;\n";
    /// Without it the program does not link: so it is known to have this file, and not the other.
    const MARK: &str = "\nvoid linecook_mended_fetcher(void) {}\n";

    pub(crate) fn build() {
        let root = env::var("DEP_RDKAFKA_ROOT").expect("rdkafka-sys says where it has built librdkafka");
        let out = env::var("OUT_DIR").expect("Cargo says where to build");
        let (root, out) = (Path::new(&root), Path::new(&out));
        let source = read(&root.join("src/rdkafka_fetcher.c"));
        let place_count = source.matches(HERE).count();
        assert!(place_count == 1, "this librdkafka is another: if issue 5280 is mended there, this file may go");
        let mended = out.join("rdkafka_fetcher.c");
        let source = source.replace(HERE, &format!("{MENDED}{HERE}")) + MARK;
        fs::write(&mended, source).expect("what is mended can be written");

        let mut build = cc::Build::new();
        build.file(mended).include(root.join("src")).warnings(false).opt_level(2);
        // As it was configured: where OpenSSL is.
        for flag in read(&root.join("Makefile.config")).split_whitespace().filter(|word| word.starts_with("-I")) {
            build.flag(flag);
        }
        build.compile("linecook_mended_rdkafka");
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
