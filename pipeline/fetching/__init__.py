"""Fetches the users of a shop, page by page, from an HTTP API into a table of the source database.

    plan      what is asked for: the address, the fields, the kind of paging, the table
    pace      one request at a time: the limit of requests, the waits that the API asks for, repeats
    paging    the request of a page, and where the next page is
    records   an answer as rows of the table, every value checked
    staging   the pages so far in the database, and the one transaction that replaces the table
    users     all of it, one page after the other: `fetch_users`

The table is always wholly old or wholly new. What was fetched is in the database after each page, so a run
that is killed goes on with the page after it. At most one page is in memory.
"""
