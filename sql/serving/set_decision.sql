-- The same decision, less some of the rows it showed.
UPDATE {storage}.publication SET decision = %(decision)s WHERE number = %(number)s;
