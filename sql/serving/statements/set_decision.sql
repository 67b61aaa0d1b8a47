-- Replace the decision in a record, for one without some of its example rows.
UPDATE {storage}.publication SET decision = %(decision)s WHERE number = %(number)s;
