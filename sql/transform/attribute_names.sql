-- The attributes of users, and which of them are kept: words of which there are few, none is long or an e-mail address, and
-- of which each stands for two users or more on average; and numbers, but whole ones that differ for nearly everybody. Names,
-- telephone numbers and whatever else is different for everybody tell of one user only. n_words: different values
-- Reads: user_attributes. Binds: $most_words, $most_letters.
SELECT name, count(category) > 0 AS is_category,
    CASE WHEN is_category THEN count(DISTINCT category) ELSE count(DISTINCT number) END AS n_words,
    CAST(coalesce(max(length(category)), 0) AS BIGINT) AS longest,
    CASE
        WHEN is_category THEN n_words <= $most_words AND longest <= $most_letters
            AND 2 * n_words <= count(DISTINCT user_id) AND NOT bool_or(contains(category, '@'))
        ELSE n_words <= $most_words OR 10 * n_words < 9 * count(DISTINCT user_id)
            OR bool_or(number <> trunc(number))
    END AS is_kept
FROM user_attributes
GROUP BY name
ORDER BY name
