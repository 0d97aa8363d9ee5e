//! Bars that lie: a name, a median, and a line from the best to the worst.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use crate::figures::{Bar, Plot};

const WIDTH: u32 = 800;
const TITLE_HEIGHT: i32 = 36;
const BAR_HEIGHT: i32 = 18;
const BAR_PITCH: i32 = 30;
/// From here to there the bars lie; names stand before it, medians behind it.
const FROM: i32 = 300;
const TO: i32 = 730;
/// Good on white and on black.
const TEXT: RGBColor = RGBColor(110, 118, 129);
const OURS: RGBColor = RGBColor(31, 136, 61);
const OTHERS: RGBColor = RGBColor(130, 140, 150);
const SPREAD: RGBColor = RGBColor(207, 34, 46);

/// Draws a plot into an SVG file. The first bar is the product's.
pub(crate) fn draw(path: &Path, plot: &Plot) -> Result<(), Box<dyn Error>> {
    let bars = i32::try_from(plot.bars.len())?;
    let height = u32::try_from(TITLE_HEIGHT + bars * BAR_PITCH + 10)?;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.draw(&Text::new(plot.title, (10, 8), ("sans-serif", 16).into_font().color(&TEXT)))?;
    let longest = plot.bars.iter().flat_map(|bar| [bar.best, bar.worst]).fold(f64::MIN_POSITIVE, f64::max);
    let style = ("sans-serif", 13).into_font().color(&TEXT);
    for (row, bar) in (0..).zip(&plot.bars) {
        let top = TITLE_HEIGHT + row * BAR_PITCH;
        let x = |figure| FROM + share(figure, longest);
        let colour = if row == 0 { OURS } else { OTHERS };
        root.draw(&Text::new(shortened(&bar.label), (10, top + 3), style.clone()))?;
        root.draw(&Rectangle::new([(FROM, top), (x(bar.median), top + BAR_HEIGHT)], colour.filled()))?;
        let middle = top + BAR_HEIGHT / 2;
        let ends = vec![(x(bar.worst), middle), (x(bar.best), middle)];
        root.draw(&PathElement::new(ends, SPREAD.stroke_width(2)))?;
        root.draw(&Text::new(shown(bar), (x(bar.best.max(bar.worst)) + 8, top + 3), style.clone()))?;
    }
    root.present()?;
    Ok(())
}

/// How many pixels long a figure is.
#[expect(clippy::cast_possible_truncation, reason = "at most as long as the longest")]
fn share(figure: f64, longest: f64) -> i32 {
    (figure / longest * f64::from(TO - FROM)).round() as i32
}

fn shown(bar: &Bar) -> String {
    if bar.median < 10.0 { format!("{:.2}", bar.median) } else { format!("{:.0}", bar.median) }
}

/// What has room before the bars.
fn shortened(label: &str) -> String {
    const MOST: usize = 44;
    if label.chars().count() <= MOST { label.to_owned() } else { label.chars().take(MOST - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_plot_names_its_bars_and_their_medians() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.svg");
        let bar =
            |label: &str, median| Bar { label: label.to_owned(), median, best: median * 1.5, worst: median / 2.0 };
        let bars = vec![bar("services", 151.4), bar(&"x".repeat(60), 1.234)];
        draw(&path, &Plot { name: "plot", title: "Pizzas & more", bars }).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        for text in ["Pizzas &amp; more", "services", "151", "1.23", "x…"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 2);
    }
}
