-- The live version, null before the first one, and the most rows of a list.
SELECT shop.version, shop.max_n FROM {schema}.shop;
