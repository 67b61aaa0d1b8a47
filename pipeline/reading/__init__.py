"""What an app reads of a shop, as statements that every door uses: the HTTP service, a serverless handler.

    ids         ids of the shop's type, read from text
    questions   each question as one statement and its values; PostgreSQL makes the answer's JSON
    answers     the shape of each answer
    shop        what a reader finds: the schema's version, id types, and what the login may do

The statements lie in sql/reading/. Nothing here connects to anything: a door runs the statements with
psycopg, async or not, and hands on the JSON. Nothing here imports more than psycopg and pydantic.

A handler of one connection, without a loop:

    about = shop_question(settings.serving)
    ask = Questions(settings.serving.schema_name, Shop(*db.execute(about.statement).fetchone()).ids)
    question = ask.recommendations(read_id("42", settings.ids.user, "user_id"), n=10)
    answer = Answer(*db.execute(question.statement, question.values).fetchone())
    # answer.version is None: nothing is published; answer.body: JSON
"""

from pipeline.reading.ids import WrongId, read_id
from pipeline.reading.questions import Answer, Question, Questions
from pipeline.reading.shop import Shop, shop_question

__all__ = ["Answer", "Question", "Questions", "Shop", "WrongId", "read_id", "shop_question"]
