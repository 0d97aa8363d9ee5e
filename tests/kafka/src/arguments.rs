//! Flags of the programs of this crate, few as they are.

use crate::{Error, Result};

/// What follows a program's name.
#[derive(Debug)]
pub struct Arguments {
    given: std::vec::IntoIter<String>,
    usage: &'static str,
}

impl Arguments {
    /// Those of this process. The usage is part of what is said about a fault.
    pub fn of_process(usage: &'static str) -> Self {
        Self::new(std::env::args().skip(1).collect(), usage)
    }

    fn new(given: Vec<String>, usage: &'static str) -> Self {
        Self { given: given.into_iter(), usage }
    }

    /// The next flag, and its value if it was written as `--flag=value`.
    pub fn next_flag(&mut self) -> Option<(String, Option<String>)> {
        let flag = self.given.next()?;
        Some(match flag.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (flag, None),
        })
    }

    /// The value of that flag: what was written with it, or what follows.
    ///
    /// # Errors
    /// `Setup` when there is none, or none of that type.
    pub fn value<T: std::str::FromStr>(&mut self, flag: &str, written: Option<String>) -> Result<T> {
        let value = written.or_else(|| self.given.next());
        let value = value.ok_or_else(|| self.fault(&format!("a value is missing: flag={flag}")))?;
        value.parse().map_err(|_| self.no_value_for(flag, &value))
    }

    /// That a flag does not take that value.
    pub fn no_value_for(&self, flag: &str, value: &str) -> Error {
        self.fault(&format!("not a value for this: flag={flag} value={value}"))
    }

    /// All that is left.
    pub fn rest(&mut self) -> Vec<String> {
        self.given.by_ref().collect()
    }

    /// That a flag is not known.
    pub fn unknown(&self, flag: &str) -> Error {
        self.fault(&format!("unknown: flag={flag}"))
    }

    fn fault(&self, what: &str) -> Error {
        Error::setup(format!("{what}\n\n{}", self.usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(words: &[&str]) -> Arguments {
        Arguments::new(words.iter().map(|&word| word.to_owned()).collect(), "usage: program")
    }

    #[test]
    fn a_value_stands_behind_its_flag_or_in_it() {
        for words in [["--port", "9092"].as_slice(), &["--port=9092"]] {
            let mut arguments = given(words);
            let (flag, written) = arguments.next_flag().unwrap();
            assert_eq!(arguments.value::<u16>(&flag, written).unwrap(), 9092);
            assert!(arguments.next_flag().is_none());
        }
    }

    #[test]
    fn a_fault_names_the_flag_and_shows_the_usage() {
        let fault = |words: &[&str]| {
            let mut arguments = given(words);
            let (flag, written) = arguments.next_flag().unwrap();
            arguments.value::<u16>(&flag, written).unwrap_err().to_string()
        };
        assert_eq!(fault(&["--port"]), "a value is missing: flag=--port\n\nusage: program");
        assert_eq!(fault(&["--port", "x"]), "not a value for this: flag=--port value=x\n\nusage: program");
    }
}
