use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use crate::config::Period;

use super::StoreError;
use super::error::Problem;

/// The durable state of one counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The period's number, see [`super::calendar`].
    pub number: u32,
    /// Up to here requests may have been counted.
    pub mark: u64,
    /// Granted on top of the limit, in this period.
    pub extension: u64,
}

/// Whose row it is, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowKey<'a> {
    pub plan: &'a str,
    pub key: &'a str,
    pub period: Period,
}

/// `(plan, API key, kind of period, row)`, on its way between threads.
pub(super) type OwnedRow = (Arc<str>, Arc<str>, Period, Row);

impl<'a> RowKey<'a> {
    fn coded(self) -> (&'a str, &'a str, u8) {
        (self.plan, self.key, code_of_period(self.period))
    }
}

impl Row {
    fn coded(self) -> (u32, u64, u64) {
        (self.number, self.mark, self.extension)
    }
}

/// `(plan, API key, kind of period)` → `(number, mark, extension)`
const QUOTAS: TableDefinition<'static, (&str, &str, u8), (u32, u64, u64)> = TableDefinition::new("quotas");

/// The row that a counter had in the period that it left for the present one: the clock may be set back to it.
const LEFT: TableDefinition<'static, (&str, &str, u8), (u32, u64, u64)> = TableDefinition::new("left");

/// Rows are read once and written in small batches, so a small cache will do.
const CACHE_BYTES: usize = 16 << 20;

const FILE_NAME: &str = "quota.redb";

/// The embedded database, and how to open it again after it failed.
pub(super) struct QuotaFile {
    path: PathBuf,
    open: OpenDatabase,
    /// `None` while another process has it, and after a failure: redb does nothing more with a file that failed once.
    database: Option<Database>,
    missing: Missing,
}

/// Opens the database at this path.
pub(super) type OpenDatabase = Box<dyn Fn(&Path, Missing) -> Result<Database, redb::Error> + Send>;

/// What becomes of a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    IsMade,
    /// It was there before: its file system is gone, and with it what all keys have used.
    IsAnError,
}

/// The file in `dir`, which is made if it is missing.
pub(super) fn path_in(dir: &Path) -> Result<PathBuf, StoreError> {
    fs::create_dir_all(dir).map_err(|error| StoreError::from_io(dir, &error))?;
    Ok(dir.join(FILE_NAME))
}

pub(super) fn open_file(path: &Path, missing: Missing) -> Result<Database, redb::Error> {
    // The check costs one pass over a file that is read whole anyway, and turns damage into an error.
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    if missing == Missing::IsAnError {
        return Ok(builder.open(path)?);
    }
    let database = builder.create(path)?;
    // A new file is only durable once its folder is.
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(database)
}

pub(super) fn open_in_memory(_: &Path, _: Missing) -> Result<Database, redb::Error> {
    Ok(Builder::new().create_with_backend(redb::backends::InMemoryBackend::new())?)
}

impl QuotaFile {
    pub fn new(path: PathBuf, open: OpenDatabase) -> QuotaFile {
        QuotaFile { path, open, database: None, missing: Missing::IsMade }
    }

    /// Opens it and reads every row.
    pub fn open(&mut self) -> Result<Vec<OwnedRow>, StoreError> {
        // Whatever forbids writing is found now and not with the first request.
        self.write(std::iter::empty())?;
        let mut rows = Vec::new();
        self.read(|of, row| rows.push((Arc::from(of.plan), Arc::from(of.key), of.period, row)))?;
        Ok(rows)
    }

    /// Another process may open it from here on.
    pub fn close(&mut self) {
        self.database = None;
    }

    fn read(&mut self, mut each: impl FnMut(RowKey<'_>, Row)) -> Result<(), StoreError> {
        let mut read = |database: &Database| -> Result<(), redb::Error> {
            let table = match database.begin_read()?.open_table(QUOTAS) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            for entry in table.iter()? {
                let (key, row) = entry?;
                let ((plan, key, period), (number, mark, extension)) = (key.value(), row.value());
                // A kind of period that a later version may add is left alone.
                if let Some(period) = period_of_code(period) {
                    each(RowKey { plan, key, period }, Row { number, mark, extension });
                }
            }
            Ok(())
        };
        read(self.database()?).map_err(|error| StoreError::from_redb(&self.path, error))
    }

    /// The row of the period before the last change of periods; that of no period when there was none.
    pub fn left(&mut self, of: RowKey<'_>) -> Result<Row, StoreError> {
        let read = |database: &Database| -> Result<Row, redb::Error> {
            let table = database.begin_read()?.open_table(LEFT)?;
            let row = table.get(of.coded())?.map(|row| row.value());
            let (number, mark, extension) = row.unwrap_or_default();
            Ok(Row { number, mark, extension })
        };
        let row = read(self.database()?);
        row.map_err(|error| self.broken(error))
    }

    /// Writes all rows or none. Durable when it returns `Ok`.
    pub fn write<'a>(&mut self, rows: impl Iterator<Item = (RowKey<'a>, Row)>) -> Result<(), StoreError> {
        let write = |database: &Database| -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let (mut quotas, mut left) = (transaction.open_table(QUOTAS)?, transaction.open_table(LEFT)?);
                for (of, row) in rows {
                    let key = of.coded();
                    let before = quotas.insert(key, row.coded())?.map(|before| before.value());
                    if let Some(before) = before.filter(|before| before.0 != row.number) {
                        left.insert(key, before)?;
                    }
                }
            }
            // `Durability::Immediate` is the default: this returns after the sync.
            Ok(transaction.commit()?)
        };
        let written = write(self.database()?);
        written.map_err(|error| self.broken(error))
    }

    fn broken(&mut self, error: redb::Error) -> StoreError {
        self.database = None;
        StoreError::from_redb(&self.path, error)
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.open)(&self.path, self.missing).map_err(|error| self.open_error(error))?,
        };
        self.missing = Missing::IsAnError;
        Ok(self.database.insert(database))
    }

    fn open_error(&self, error: redb::Error) -> StoreError {
        if self.path.is_dir() {
            return StoreError::new(&self.path, Problem::Corrupt("it is a folder".to_owned()));
        }
        StoreError::from_redb(&self.path, error)
    }
}

pub(super) fn code_of_period(period: Period) -> u8 {
    match period {
        Period::Day => b'D',
        Period::Week => b'W',
        Period::Month => b'M',
    }
}

pub(super) fn period_of_code(code: u8) -> Option<Period> {
    [Period::Day, Period::Week, Period::Month].into_iter().find(|period| code_of_period(*period) == code)
}
