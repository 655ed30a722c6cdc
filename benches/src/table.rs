//! The table of docs/performance.md.

/// A line of it.
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) measured: &'static str,
    /// What krm-sops took.
    pub(crate) ours: f64,
    /// What it is compared with, and what that took. Without it, the goal is for `ours` itself.
    pub(crate) beside: Option<(&'static str, f64)>,
    /// The most that the ratio, or `ours` itself, may be. Without it, the line is for information.
    pub(crate) goal: Option<f64>,
    pub(crate) unit: &'static str,
}

pub(crate) fn print(rows: &[Row]) {
    println!("| work | measured | krm-sops | beside | ratio | goal | met |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        println!("{}", row.line());
    }
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let Self { work, measured, ours, beside, goal, unit } = self;
        let ratio = beside.map(|(_, other)| ours / other);
        let beside =
            beside.map_or_else(|| "–".to_owned(), |(name, other)| format!("{name}: {}", amount(other, unit)));
        let goal_text = match (goal, ratio) {
            (None, _) => "–".to_owned(),
            (Some(goal), Some(_)) => format!("≤ {goal:.2} ×"),
            (Some(goal), None) => format!("≤ {}", amount(*goal, unit)),
        };
        let met = goal.map_or("–", |goal| if ratio.unwrap_or(*ours) <= goal { "yes" } else { "**no**" });
        let ratio = ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        format!(
            "| {work} | {measured} | {} | {beside} | {ratio} | {goal_text} | {met} |",
            amount(*ours, unit)
        )
    }
}

fn amount(number: f64, unit: &str) -> String {
    let digits = if number >= 100.0 {
        0
    } else if number >= 10.0 {
        1
    } else {
        2
    };
    format!("{number:.digits$} {unit}")
}
