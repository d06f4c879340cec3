"""What is known: the SQL index of calls, payloads and functions. The only user of SQLAlchemy."""
