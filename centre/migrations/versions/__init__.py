"""The schema revisions of the database, applied by Alembic in the order of their numbers."""
