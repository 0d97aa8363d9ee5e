//! What Linux says of a process.

use std::{fs, io, time::Duration};

/// The CPU time that a process has used so far, in user and in system mode, all its threads together.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time_of(process: u32) -> io::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = ticks_in(&text).ok_or_else(|| io::Error::other(format!("not what Linux says of a process: {text}")))?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

/// User and system time, from the fields behind the name, which may itself have spaces.
fn ticks_in(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_spaces_and_parentheses() {
        let stat = "7 (a (name) of 3 words) S 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 100 0 0";
        assert_eq!(ticks_in(stat), Some(42));
        assert_eq!(ticks_in("7 (short) S 1"), None);
    }
}
