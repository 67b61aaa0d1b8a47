"""What an app reads of a shop, as statements that every door uses: the HTTP service, a serverless handler.

    ids         ids of the shop's type, read from text
    queries     each query as one statement and its values; PostgreSQL makes the answer's JSON
    answers     the shape of each answer
    keys        the keys of the copy in Redis
    routes      the table of routes, how a request to each is read, and what it asks;
                parameters, paths: what stands in a request
    replies     answers as HTTP says them;  refusals: why there is none
    connecting  how a door connects, and what errors of the database mean
    shop        what a reader finds: the schema's version, id types, and what the login may do

The statements lie in sql/reading/. Nothing here connects to anything: a door runs the statements with
psycopg, async or not, and hands on the JSON. Nothing here imports more than psycopg and pydantic.

A handler of one connection, without a loop:

    about = shop_query(settings.serving)
    queries = Queries(settings.serving.schema_name, Shop(*db.execute(about.statement).fetchone()).ids)
    query = queries.recommendations(read_id("42", settings.ids.user, "user_id"), n=10)
    answer = Answer(*db.execute(query.statement, query.values).fetchone())
    # answer.version is None: nothing is published; answer.body: JSON
"""

from pipeline.reading.ids import WrongId, read_id
from pipeline.reading.queries import Answer, Queries, Query
from pipeline.reading.shop import Shop, shop_query

__all__ = ["Answer", "Queries", "Query", "Shop", "WrongId", "read_id", "shop_query"]
