//! Curves over time as an SVG picture: panels below each other, over one axis of seconds. It is readable on light and on dark
//! paper, its colours (Okabe and Ito's) are told apart by everybody, and what it shows is written in it for those who do
//! not see it.

use std::fmt::{self, Write as _};

/// Width of the picture, and where the curves begin and end, in its own units.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 936.0;

/// Above a panel: its name, its legend, and a bit of paper.
const HEAD: f64 = 72.0;

/// Below the last panel: the seconds.
const FOOT: f64 = 64.0;

/// Width of a sample of a line in the legend, and roughly that of a letter of its text.
const SAMPLE: f64 = 34.0;
const LETTER: f64 = 9.4;

/// How a curve looks.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Everything below it is filled.
    Area,
    /// A broad line.
    Broad,
    /// A line.
    First,
    /// Another line.
    Second,
    /// A dashed line.
    Dashed,
}

impl Style {
    const fn class(self) -> &'static str {
        match self {
            Style::Area => "area",
            Style::Broad => "line broad",
            Style::First => "line first",
            Style::Second => "line second",
            Style::Dashed => "line dashed",
        }
    }
}

/// One curve.
pub struct Curve {
    /// What it is, for the legend.
    pub name: &'static str,
    pub style: Style,
    /// Where it begins, in seconds.
    pub from_s: f64,
    /// Its values at even distances, up to the end of the chart. What lies above the panel is left out.
    pub values: Vec<f64>,
}

/// Curves of one unit.
pub struct Panel {
    /// What they show, with the unit.
    pub name: &'static str,
    pub height: f64,
    /// The value at its upper edge, and between two lines of the grid.
    pub highest: f64,
    pub step: f64,
    /// Those that come later lie above the others.
    pub curves: Vec<Curve>,
}

/// The whole picture.
pub struct Chart {
    pub title: &'static str,
    /// What is to be seen in it, for those who cannot.
    pub description: &'static str,
    /// How long it is, in seconds, and the time between two lines of the grid.
    pub seconds: f64,
    pub step_s: f64,
    pub panels: Vec<Panel>,
}

const STYLE: &str = r#"
    .paper { fill: #ffffff }
    .grid { stroke: #d5dae0; stroke-width: 1 }
    .axis { stroke: #5b6876; stroke-width: 1.5 }
    text { fill: #1c2630; font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 17px }
    .name { font-weight: 600 }
    .end { text-anchor: end } .middle { text-anchor: middle }
    .area { fill: #e3e7ec }
    .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
    .broad { stroke: #009e73; stroke-width: 6 }
    .first { stroke: #0072b2 }
    .second { stroke: #d55e00 }
    .dashed { stroke: #d55e00; stroke-dasharray: 9 5 }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #14191f }
      .grid { stroke: #333d48 }
      .axis { stroke: #97a4b2 }
      text { fill: #e9eef3 }
      .area { fill: #28313b }
      .broad { stroke: #12b886 }
      .first { stroke: #56b4e9 }
      .second { stroke: #e69f00 }
      .dashed { stroke: #e69f00 }
    }
"#;

impl Chart {
    fn height(&self) -> f64 {
        let panels = self.panels.iter().map(|panel| HEAD + panel.height);
        panels.sum::<f64>() + FOOT
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * seconds / self.seconds
    }

    /// The panel whose curves begin at this height.
    fn panel(&self, out: &mut String, panel: &Panel, top: f64) -> fmt::Result {
        let bottom = top + panel.height;
        let y = |value: f64| bottom - panel.height * value / panel.highest;
        let name_y = top - 42.0;
        writeln!(
            out,
            r#"  <text class="name" x="{LEFT}" y="{name_y}">{}</text>"#,
            panel.name
        )?;
        legend(out, &panel.curves, top - 16.0)?;
        for curve in panel
            .curves
            .iter()
            .filter(|curve| matches!(curve.style, Style::Area))
        {
            self.curve(out, curve, panel, top)?;
        }
        for line in 0..=(panel.highest / panel.step) as u32 {
            let value = panel.step * f64::from(line);
            let (y, text_y) = (y(value), y(value) + 6.0);
            let class = if line == 0 { "axis" } else { "grid" };
            writeln!(out, r#"  <path class="{class}" d="M{LEFT} {y:.1}H{RIGHT}"/>"#)?;
            let text_x = LEFT - 10.0;
            writeln!(
                out,
                r#"  <text class="end" x="{text_x}" y="{text_y:.1}">{value}</text>"#
            )?;
        }
        for curve in panel
            .curves
            .iter()
            .filter(|curve| !matches!(curve.style, Style::Area))
        {
            self.curve(out, curve, panel, top)?;
        }
        Ok(())
    }

    /// A curve between these heights.
    fn curve(&self, out: &mut String, curve: &Curve, panel: &Panel, top: f64) -> fmt::Result {
        let bottom = top + panel.height;
        let span_s = self.seconds - curve.from_s;
        let last = curve.values.len().saturating_sub(1).max(1) as f64;
        let points = curve.values.iter().enumerate().map(|(nth, value)| {
            let x = self.x(curve.from_s + span_s * nth as f64 / last);
            let y = bottom - panel.height * value / panel.highest;
            (x.round() as i64, y.max(top).round() as i64)
        });
        let points = thinned(points);
        write!(out, r#"  <path class="{}" d=""#, curve.style.class())?;
        let mut before = None;
        for (x, y) in &points {
            // Where a curve is above the panel there is none.
            let is_above = |y: i64| y as f64 <= top && !matches!(curve.style, Style::Area);
            match before.replace(*y) {
                Some(before) if is_above(before) && is_above(*y) => write!(out, "M{x} {y}")?,
                Some(_) => write!(out, "L{x} {y}")?,
                None => write!(out, "M{x} {y}")?,
            }
        }
        if let (Style::Area, Some((first, _)), Some((last, _))) = (curve.style, points.first(), points.last())
        {
            write!(out, "L{last} {bottom}L{first} {bottom}z")?;
        }
        writeln!(out, r#""/>"#)
    }

    fn seconds(&self, out: &mut String, bottom: f64) -> fmt::Result {
        let ticks = (self.seconds / self.step_s).floor() as u32;
        for tick in 0..=ticks {
            let second = self.step_s * f64::from(tick);
            let (x, end, text_y) = (self.x(second), bottom + 6.0, bottom + 26.0);
            writeln!(out, r#"  <path class="axis" d="M{x:.1} {bottom}V{end}"/>"#)?;
            writeln!(
                out,
                r#"  <text class="middle" x="{x:.1}" y="{text_y}">{second}</text>"#
            )?;
        }
        let (x, y) = (f64::midpoint(LEFT, RIGHT), bottom + 52.0);
        writeln!(out, r#"  <text class="middle" x="{x}" y="{y}">seconds</text>"#)
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let height = self.height();
        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title desc">"#
        )?;
        writeln!(out, r#"  <title id="title">{}</title>"#, self.title)?;
        writeln!(out, r#"  <desc id="desc">{}</desc>"#, self.description)?;
        writeln!(out, "  <style>{STYLE}  </style>")?;
        writeln!(
            out,
            r#"  <rect class="paper" width="{WIDTH}" height="{height}"/>"#
        )?;
        let mut bottom = 0.0;
        for panel in &self.panels {
            self.panel(out, panel, bottom + HEAD)?;
            bottom += HEAD + panel.height;
        }
        self.seconds(out, bottom)?;
        writeln!(out, "</svg>")
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out)?;
        f.write_str(&out)
    }
}

fn legend(out: &mut String, curves: &[Curve], y: f64) -> fmt::Result {
    let mut x = LEFT;
    for curve in curves {
        let (line_y, text_x) = (y - 6.0, x + SAMPLE + 8.0);
        let class = curve.style.class();
        if matches!(curve.style, Style::Area) {
            let top = y - 14.0;
            writeln!(
                out,
                r#"  <rect class="{class}" x="{x:.0}" y="{top}" width="{SAMPLE}" height="16"/>"#
            )?;
        } else {
            writeln!(out, r#"  <path class="{class}" d="M{x:.0} {line_y}h{SAMPLE}"/>"#)?;
        }
        writeln!(out, r#"  <text x="{text_x:.0}" y="{y}">{}</text>"#, curve.name)?;
        x = text_x + LETTER * curve.name.chars().count() as f64 + 24.0;
    }
    Ok(())
}

/// The points without those that lie on the line between their neighbours.
fn thinned(points: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut kept: Vec<(i64, i64)> = Vec::new();
    for point in points {
        if let [.., before, last] = kept.as_slice() {
            let (x, y) = (last.0 - before.0, last.1 - before.1);
            if x * (point.1 - before.1) == y * (point.0 - before.0) {
                kept.pop();
            }
        }
        kept.push(point);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_keeps_its_corners_and_loses_what_lies_between_them() {
        let points = [(0, 5), (1, 5), (2, 5), (3, 9), (4, 13), (5, 5), (6, 5)];
        assert_eq!(thinned(points), [(0, 5), (2, 5), (4, 13), (5, 5), (6, 5)]);
        assert_eq!(thinned([(3, 4)]), [(3, 4)]);
    }

    #[test]
    fn a_curve_lies_where_its_values_are_begins_when_it_does_and_is_left_out_above_its_panel() {
        let curve = |style, from_s, values: &[f64]| Curve {
            name: "curve",
            style,
            from_s,
            values: values.to_vec(),
        };
        let chart = Chart {
            title: "title",
            description: "description",
            seconds: 10.0,
            step_s: 5.0,
            panels: vec![Panel {
                name: "panel",
                height: 100.0,
                highest: 4.0,
                step: 2.0,
                curves: vec![
                    curve(Style::First, 5.0, &[0.0, 3.0]),
                    curve(Style::Second, 0.0, &[2.0, 5.0, 9.0, 7.0, 2.0]),
                    curve(Style::Area, 0.0, &[4.0, 4.0, 2.0]),
                ],
            }],
        };
        let picture = chart.to_string();
        for text in [
            r#"class="line first" d="M500 172L936 97""#,
            r#"class="line second" d="M64 122L282 72M718 72L936 122""#,
            r#"class="area" d="M64 72L500 72L936 122L936 172L64 172z""#,
            "<title id=\"title\">title<",
            "<desc id=\"desc\">description<",
            ">panel<",
            ">2<",
            ">4<",
            ">10<",
        ] {
            assert!(picture.contains(text), "{text} is not in {picture}");
        }
    }
}
