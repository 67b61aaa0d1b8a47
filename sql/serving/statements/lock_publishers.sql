-- Take the publishers' lock, until the transaction ends. Only a role that may write to this table can hold it, and
-- only the publisher may; it keeps out other publishers and no reader.
LOCK TABLE {storage}.schema_info IN SHARE UPDATE EXCLUSIVE MODE;
