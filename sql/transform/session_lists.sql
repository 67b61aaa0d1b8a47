-- What goes with the items of a basket: the $n rows that serving.recommend_from() gives for each basket of `given`,
-- made from published lists, where nothing is blocked. place: the item's position in the basket.
--
-- First what was bought together with given items (tier 1), then what is like them (tier 2). In a tier: what most
-- given items name in their lists, then the lower sum of the ranks there, then the lower id. The score of these rows
-- is the number of given items that name the item, and a fraction that falls with the sum of ranks.
-- Then, as far as rows are missing, the best of each category of the given items, the second of each, ...; the
-- category of most given items first, then the one whose item came first. Then what is popular in the shop.
-- No item twice, and none that is given. Each step is taken for the baskets alone that the steps before it leave
-- short; of a popular list, as many items as are wanted and given are enough.
-- Reads: given, also_bought, similar_items, item_names, popular_items. Binds: $n.
WITH baskets AS (
    SELECT user_id, item_id, min(place) AS place FROM given GROUP BY user_id, item_id
),
sizes AS (
    SELECT user_id, count(*) AS n_given FROM baskets GROUP BY user_id
),
together AS (
    SELECT b.user_id, l.also_bought_item_id AS item_id, count(*) AS n_naming, sum(l.rank) AS sum_of_ranks,
        min_by(b.item_id, l.rank * 10000 + b.place) AS because_item_id
    FROM baskets AS b
    JOIN also_bought AS l ON l.item_id = b.item_id
    WHERE NOT EXISTS (
            SELECT 1 FROM baskets AS g WHERE g.user_id = b.user_id AND g.item_id = l.also_bought_item_id
        )
    GROUP BY b.user_id, l.also_bought_item_id
),
without_enough_together AS (
    SELECT s.user_id
    FROM sizes AS s
    LEFT JOIN together AS t ON t.user_id = s.user_id
    GROUP BY s.user_id
    HAVING count(t.item_id) < $n
),
alike AS (
    SELECT b.user_id, l.similar_item_id AS item_id, count(*) AS n_naming, sum(l.rank) AS sum_of_ranks,
        min_by(b.item_id, l.rank * 10000 + b.place) AS because_item_id
    FROM baskets AS b
    JOIN without_enough_together AS w ON w.user_id = b.user_id
    JOIN similar_items AS l ON l.item_id = b.item_id
    WHERE NOT EXISTS (
            SELECT 1 FROM baskets AS g WHERE g.user_id = b.user_id AND g.item_id = l.similar_item_id
        )
    GROUP BY b.user_id, l.similar_item_id
),
going_with AS (
    SELECT user_id, item_id, 1 AS tier, n_naming, CAST(sum_of_ranks AS BIGINT) AS sum_of_ranks, because_item_id
    FROM together
    UNION ALL
    SELECT user_id, item_id, 2 AS tier, n_naming, CAST(sum_of_ranks AS BIGINT) AS sum_of_ranks, because_item_id
    FROM alike
),
short_lists AS (
    SELECT s.user_id, s.n_given
    FROM sizes AS s
    LEFT JOIN going_with AS g ON g.user_id = s.user_id
    GROUP BY s.user_id, s.n_given
    HAVING count(DISTINCT g.item_id) < $n
),
wishes AS (
    SELECT s.user_id, s.n_given, i.category,
        row_number() OVER (PARTITION BY s.user_id ORDER BY count(*) DESC, min(b.place)) AS wish
    FROM short_lists AS s
    JOIN baskets AS b ON b.user_id = s.user_id
    JOIN item_names AS i ON i.item_id = b.item_id
    WHERE i.category IS NOT NULL
    GROUP BY s.user_id, s.n_given, i.category
),
offered AS (
    SELECT user_id, item_id, tier, 0 AS wish,
        n_naming + CAST(1 AS DOUBLE) / (1 + sum_of_ranks) AS score, because_item_id,
        row_number() OVER (PARTITION BY user_id, tier ORDER BY n_naming DESC, sum_of_ranks, item_id) AS position
    FROM going_with
    UNION ALL
    SELECT w.user_id, p.item_id, 3 AS tier, w.wish, p.score, NULL AS because_item_id, p.rank AS position
    FROM wishes AS w
    JOIN popular_items AS p ON p.category = w.category AND p.rank <= $n + w.n_given
    UNION ALL
    SELECT s.user_id, p.item_id, 4 AS tier, 0 AS wish, p.score, NULL AS because_item_id, p.rank AS position
    FROM short_lists AS s
    JOIN popular_items AS p ON p.category = 'all' AND p.rank <= $n + s.n_given
),
first_offers AS (
    SELECT user_id, item_id, tier, position, wish, score, because_item_id,
        row_number() OVER (PARTITION BY user_id, item_id ORDER BY tier, position, wish) AS number
    FROM offered
),
ranked AS (
    SELECT f.user_id, f.item_id, f.tier, f.score, f.because_item_id,
        CAST(row_number() OVER (PARTITION BY f.user_id ORDER BY f.tier, f.position, f.wish) AS INTEGER) AS rank
    FROM first_offers AS f
    WHERE f.number = 1
      AND NOT EXISTS (SELECT 1 FROM baskets AS b WHERE b.user_id = f.user_id AND b.item_id = f.item_id)
)
SELECT user_id, rank, item_id, score,
    CASE tier WHEN 3 THEN 'popular_in_category' WHEN 4 THEN 'popular' ELSE 'session' END AS source,
    CASE tier
        WHEN 1 THEN 'bought_together' WHEN 2 THEN 'similar_to_item'
        WHEN 3 THEN 'popular_in_its_category' ELSE 'recently_popular'
    END AS reason,
    because_item_id
FROM ranked
WHERE rank <= $n
ORDER BY user_id, rank
