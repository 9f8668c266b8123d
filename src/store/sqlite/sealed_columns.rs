//! All columns with sealed values, which a key rotation has to seal again. A test compares this list with the schema.

/// One column.
#[derive(Debug)]
pub(in crate::store) struct SealedColumn {
    /// The table.
    pub(in crate::store) table: &'static str,
    /// The column; it may be NULL.
    pub(in crate::store) column: &'static str,
    /// The columns that identify a row. A value is sealed to the place that [`place`] makes of them.
    pub(in crate::store) row: &'static [&'static str],
}

const fn column(table: &'static str, column: &'static str, row: &'static [&'static str]) -> SealedColumn {
    SealedColumn { table, column, row }
}

/// All sealed columns except the proofs in table `seal`, which belong to one key each.
pub(in crate::store) const SEALED: &[SealedColumn] = &[
    column("phone", "secrets", &["instance_id", "mac"]),
    column("account", "secrets", &["phone_id", "line"]),
    column("device_config", "sealed", &["phone_id"]),
    column("upload", "sealed", &["phone_id", "name"]),
    column("delivered_file", "sealed", &["phone_id", "name"]),
    column("setting", "sealed", &["instance_id", "scope", "name"]),
    column("bootstrap_account", "sealed", &["instance_id"]),
    column("server_entry", "sealed", &["instance_id", "vendor"]),
    column("tried_account", "sealed", &["instance_id", "vendor"]),
];

/// The place of a row: the table and the columns that identify the row, joined with `/`. The values of three tables keep
/// a place in table `fact`, which exists no more: they were sealed there, and a migration in SQL cannot seal them to
/// another place.
pub(in crate::store) fn place(table: &str, row: &[&str]) -> String {
    match (table, row) {
        ("bootstrap_account", [instance]) => format!("fact/{instance}/bootstrap_password"),
        ("server_entry", [instance, vendor]) => format!("fact/{instance}/server_entry.{vendor}"),
        ("tried_account", [instance, vendor]) => format!("fact/{instance}/redirect_tried.{vendor}"),
        _ => format!("{table}/{}", row.join("/")),
    }
}

impl SealedColumn {
    /// The place of the row with these values of [`SealedColumn::row`].
    pub(in crate::store) fn place(&self, row: &[String]) -> String {
        place(self.table, &row.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// SQL that counts the values sealed by another key than `?1`.
    pub(in crate::store) fn count(&self) -> String {
        let Self { table, column, .. } = self;
        format!("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND substr({column}, 1, 1) <> ?1")
    }

    /// SQL that selects the first `?2` of them: the value, then the columns of the row as text.
    pub(in crate::store) fn select(&self) -> String {
        let Self { table, column, row } = self;
        let row: Vec<String> = row.iter().map(|name| format!("CAST({name} AS TEXT)")).collect();
        format!(
            "SELECT {column}, {} FROM {table} WHERE {column} IS NOT NULL AND substr({column}, 1, 1) <> ?1 LIMIT ?2",
            row.join(", ")
        )
    }

    /// SQL that updates the value of one row. Parameters: the value, then the columns of the row.
    pub(in crate::store) fn update(&self) -> String {
        let Self { table, column, row } = self;
        let row: Vec<String> = row.iter().map(|name| format!("{name} = ?")).collect();
        format!("UPDATE {table} SET {column} = ? WHERE {}", row.join(" AND "))
    }
}
