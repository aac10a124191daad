//! Sessions as tables for people.

use super::client::Row;

const COLUMNS: [(&str, &str); 8] = [
    ("session", "id"),
    ("role", "role"),
    ("state", "state"),
    ("next out", "next_out"),
    ("next in", "next_in"),
    ("last in (UTC)", "last_in_utc"),
    ("last out (UTC)", "last_out_utc"),
    ("held", "held"),
];

/// One line for each session.
pub fn list(rows: &[Row]) -> String {
    let head = COLUMNS.map(|column| column.0.to_owned()).to_vec();
    let body = rows.iter().map(|row| {
        let cells = COLUMNS.map(|(_, key)| match (key, row.get(key)) {
            ("held", "false") => "-".to_owned(),
            ("held", "true") => held(row),
            (_, value) => value.to_owned(),
        });
        cells.to_vec()
    });
    aligned(&std::iter::once(head).chain(body).collect::<Vec<_>>())
}

/// Who holds a session and why.
fn held(row: &Row) -> String {
    let until = match row.get("held_until") {
        "-" => String::new(),
        until => format!(" until {until}"),
    };
    let by = match row.get("held_by") {
        "" | "-" => "somebody",
        by => by,
    };
    format!("by {by}{until}: {}", row.get("held_why"))
}

/// One line for each field.
pub fn status(rows: &[Row]) -> String {
    let lines: Vec<_> = rows
        .iter()
        .flat_map(Row::fields)
        .map(|(key, value)| vec![key.replace('_', " "), value.to_owned()])
        .collect();
    aligned(&lines)
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_end_in_blanks() {
        let line = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = aligned(&[line(["a", "b"]), line(["long", ""]), line(["x", "yy"])]);
        assert_eq!(text, "a     b\nlong\nx     yy\n");
    }
}
