-- Put a version live. Readers see it with their next statement.
SELECT {storage}.put_live(%(version)s, 'publish', NULL);
