//! One figure of some rounds.

use serde::Serialize;

/// The best, the median and the worst of a figure. Each comes from its own round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Spread {
    pub best: f64,
    pub median: f64,
    pub worst: f64,
}

impl Spread {
    /// Of what is better when it is more: rates.
    ///
    /// # Panics
    /// Without a round, or with what is no number.
    pub fn more_is_better(figures: impl IntoIterator<Item = f64>) -> Self {
        let Self { best: worst, median, worst: best } = Self::less_is_better(figures);
        Self { best, median, worst }
    }

    /// Of what is better when it is less: times, sizes.
    ///
    /// # Panics
    /// As [`more_is_better`](Self::more_is_better).
    pub fn less_is_better(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        assert!(figures.iter().all(|figure| figure.is_finite()), "a figure is a number");
        figures.sort_by(f64::total_cmp);
        let (Some(&best), Some(&worst)) = (figures.first(), figures.last()) else { panic!("no rounds, no figures") };
        // Of an even number the two in the middle count alike.
        let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Self { best, median: f64::midpoint(low, high), worst }
    }

    /// `best / median / worst`, in another unit and with so many digits behind the point.
    pub fn shown(&self, factor: f64, digits: usize) -> String {
        [self.best, self.median, self.worst].map(|figure| format!("{:.digits$}", figure * factor)).join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_of_an_odd_number_and_between_two_of_an_even_one() {
        let spread = Spread::more_is_better([3.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { best: 3.0, median: 2.0, worst: 1.0 });
        let spread = Spread::less_is_better([4.0, 1.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { best: 1.0, median: 2.5, worst: 4.0 });
        assert_eq!(spread.shown(10.0, 1), "10.0 / 25.0 / 40.0");
        assert_eq!(Spread::less_is_better([7.0]), Spread { best: 7.0, median: 7.0, worst: 7.0 });
    }
}
