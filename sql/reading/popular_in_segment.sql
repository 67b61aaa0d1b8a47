-- What is popular in a segment of people without purchases, without blocked items; ranks are 1, 2, 3, ... among those
-- shown.
SELECT
    shop.version,
    shop.max_n,
    json_build_object(
        'version', shop.version,
        'category', NULL,
        'segment', %(segment)s::integer,
        'items', coalesce(list.items, '[]')
    )::text AS body
FROM {schema}.shop
CROSS JOIN LATERAL (
    SELECT json_agg(to_json(named) ORDER BY named.rank) AS items
    FROM (
        SELECT
            shown.rank,
            shown.item_id,
            item.name,
            item.category,
            shown.score
        FROM (
            SELECT
                row_number() OVER (ORDER BY listed.rank) AS rank,
                listed.item_id,
                listed.score
            FROM {schema}.popular_in_segment AS listed
            WHERE listed.segment = %(segment)s::integer
                AND NOT {schema}.is_blocked(listed.item_id)
            ORDER BY listed.rank
            LIMIT least(%(n)s::integer, shop.max_n)
        ) AS shown
        LEFT JOIN {schema}.items AS item ON item.item_id = shown.item_id
    ) AS named
) AS list;
