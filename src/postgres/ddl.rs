//! The one place where statements are put together: DDL takes no bind parameters, so the server quotes
//! names and texts itself (`format` with `%I` and `%L`) and we run what it answers.

use sqlx::{AssertSqlSafe, PgConnection};

/// Runs `template` with each `%I` and `%L` filled in from `values`, in order.
pub(super) async fn run(
    connection: &mut PgConnection,
    template: &'static str,
    values: &[&str],
) -> Result<(), sqlx::Error> {
    let statement: String = sqlx::query_scalar("SELECT format($1, VARIADIC $2::text[])")
        .bind(template)
        .bind(values)
        .fetch_one(&mut *connection)
        .await?;
    // Without a prepared statement: CREATE DATABASE allows no transaction around it.
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// How many rows a table has.
pub(super) async fn count(connection: &mut PgConnection, table: &str) -> Result<i64, sqlx::Error> {
    let statement: String = sqlx::query_scalar("SELECT format('SELECT count(*) FROM %I', $1)")
        .bind(table)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(connection).await
}
