-- Attempts to load that were begun; with the lock in hand, none of them is still at work.
SELECT version FROM {storage}.attempt;
