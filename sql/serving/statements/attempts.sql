-- Attempts to load. To whoever holds the publishers' lock they are all of publishers that have died.
SELECT version FROM {storage}.attempt;
