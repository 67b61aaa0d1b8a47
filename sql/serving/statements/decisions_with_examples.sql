-- Records whose decision holds example rows of the lists.
SELECT number, decision FROM {storage}.publication WHERE decision @? '$.**.examples[0]';
