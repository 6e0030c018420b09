//! Every column that is stored has a row in the book, in both databases, and every row of the book is a column.

use crate::databases::Fresh;
use crate::on_both;
use std::collections::BTreeSet;
use std::path::Path;

on_both! {
    every_column_has_a_row_in_the_book_and_every_row_a_column,
}

const PAGE: &str = "docs/personal-data.md";

const SQLITE_COLUMNS: &str = "
    SELECT tables.name || '.' || columns.name
    FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
    WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'";

const POSTGRES_COLUMNS: &str = "
    SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')";

/// The rows of the page's table: the column, and what is said of it.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let line = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(line.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let rows = page.lines().filter_map(cells).filter_map(|mut cells| {
        let column = cells.remove(0);
        let column = column.strip_prefix('`')?.strip_suffix('`')?;
        column.contains('.').then(|| (column.to_owned(), cells))
    });
    rows.collect()
}

async fn every_column_has_a_row_in_the_book_and_every_row_a_column(fresh: Fresh) {
    fresh.open().await.close().await;
    let columns = if fresh.is_sqlite() {
        SQLITE_COLUMNS
    } else {
        POSTGRES_COLUMNS
    };
    let stored: BTreeSet<_> = fresh.raw().await.texts(columns).await.into_iter().collect();
    assert!(stored.contains("seats.user_id"), "{stored:?}");

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let page = std::fs::read_to_string(root.join(PAGE)).unwrap();
    let rows = rows(&page);
    let written: BTreeSet<_> = rows.iter().map(|(column, _)| column.clone()).collect();
    assert_eq!(written.len(), rows.len(), "{PAGE} has two rows for one column");

    let missing: Vec<_> = stored.difference(&written).collect();
    assert!(
        missing.is_empty(),
        "stored, but without a row in {PAGE}: {missing:?}"
    );
    let gone: Vec<_> = written.difference(&stored).collect();
    assert!(gone.is_empty(), "a row in {PAGE}, but not stored: {gone:?}");
    for (column, cells) in rows {
        assert_eq!(cells.len(), 4, "{column}: what, why, how long, who deletes it");
        assert!(
            cells.iter().all(|cell| !cell.is_empty()),
            "{column}: an empty cell"
        );
    }
}

#[test]
fn a_row_is_one_column_and_four_answers() {
    let page =
        "| Column | What |\n|---|---|\n| `seats.user_id` | a | b | c | d |\ntext with `seats.identity`\n";
    let answers = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!(rows(page), [("seats.user_id".to_owned(), answers)]);
}
