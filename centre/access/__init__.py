"""Who may come in: accounts and sessions in the database, the guard, the routes of signing in."""
