"""The steps by which a ledger of an older version is brought up to date, one file each; alembic runs them in their order."""
