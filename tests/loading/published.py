"""A few made-up rows in the published formats of public data sets and shop exports: columns as published.

Each is a folder's files: name -> text. The first file is the one with the events.
"""

# ruff: noqa: E501

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RETAILROCKET = {
    "events.csv": """\
timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433224214164,992329,addtocart,248676,
1433221999827,992329,transaction,248676,4000
""",
    "item_properties_part1.csv": """\
timestamp,itemid,property,value
1433041200000,248676,categoryid,1338
1433646000000,248676,categoryid,1340
1433646000000,248676,available,1
1433041200000,355908,790,n277200.000
""",
    "item_properties_part2.csv": """\
timestamp,itemid,property,value
1433646000000,355908,available,0
1433646000000,355908,categoryid,1173
""",
    "category_tree.csv": "categoryid,parentid\n1338,1278\n1340,1278\n1173,\n",
}

REES46 = {
    "2019-Oct.csv": """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00-8c23
2019-10-01 00:02:14 UTC,cart,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,8187d148-3c41
2019-10-01 00:03:20 UTC,remove_from_cart,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,8187d148-3c41
2019-10-01 00:04:37 UTC,purchase,1004856,2053013555631882655,electronics.smartphone,samsung,130.76,543272936,8187d148-3c41
""",
}

INSTACART = {
    "order_products__prior.csv": """\
order_id,product_id,add_to_cart_order,reordered
2539329,196,1,0
2539329,14084,2,0
2398795,196,1,1
431534,12427,1,0
""",
    "orders.csv": """\
order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order
2539329,1,prior,1,2,08,
2398795,1,prior,2,3,07,15.0
1187899,1,train,3,4,08,14.0
431534,2,prior,1,4,15,
""",
    "order_products__train.csv": """\
order_id,product_id,add_to_cart_order,reordered
1187899,196,1,1
""",
    "products.csv": """\
product_id,product_name,aisle_id,department_id
196,Soda,77,7
14084,"Organic Unsweetened Vanilla Almond Milk",91,16
12427,Original Beef Jerky,23,19
""",
    "departments.csv": "department_id,department\n7,beverages\n16,dairy eggs\n19,snacks\n",
    "aisles.csv": "aisle_id,aisle\n77,soft drinks\n91,soy lactosefree\n23,popcorn jerky\n",
}

ONLINE_RETAIL = {
    "online_retail_II.csv": """\
Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country
489434,85048,15CM CHRISTMAS GLASS BALL 20 LIGHTS,12,01/12/2009 07:45,6.95,13085.0,United Kingdom
489434,79323P,PINK CHERRY LIGHTS,12,01/12/2009 07:45,6.75,13085.0,United Kingdom
489450,22087,"PAPER BUNTING, WHITE LACE",5,02/12/2009 10:12,2.95,,United Kingdom
C489449,22087,"PAPER BUNTING, WHITE LACE",-12,03/12/2009 10:33,2.95,16321.0,Australia
""",
}
ONLINE_RETAIL_ISO = {
    "online_retail_II.csv": ONLINE_RETAIL["online_retail_II.csv"]
    .replace("01/12/2009 07:45", "2009-12-01 07:45:00")
    .replace("02/12/2009 10:12", "2009-12-02 10:12:00")
    .replace("03/12/2009 10:33", "2009-12-03 10:33:00")
}

HM = {
    "transactions_train.csv": """\
t_dat,customer_id,article_id,price,sales_channel_id
2018-09-20,000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318,0663713001,0.050830508474576264,2
2018-09-20,000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318,0541518023,0.030491525423728813,2
2018-09-21,00007d2de826758b65a93dd24ce629ed66842531df6699338c5570910a014cc2,0663713001,0.040830508474576264,1
""",
    "articles.csv": """\
article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name
0541518023,0541518,Rae Push (Melbourne) 2p,306,Bra,Underwear
0663713001,0663713,Atlanta Push Body Harlow,283,Underwear body,Underwear
""",
    "customers.csv": """\
customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code
000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318,,,ACTIVE,NONE,49.0,52043ee2
00007d2de826758b65a93dd24ce629ed66842531df6699338c5570910a014cc2,,,ACTIVE,NONE,25.0,2973abc5
""",
}

MOVIELENS = {
    "ratings.csv": """\
userId,movieId,rating,timestamp
1,296,5.0,1147880044
1,306,3.5,1147868817
2,296,4.0,1141415790
""",
    "movies.csv": """\
movieId,title,genres
296,Pulp Fiction (1994),Comedy|Crime|Drama|Thriller
306,"Three Colors: Red (Trois couleurs: Rouge) (1994)",Drama
""",
}
MOVIELENS_1M = {"ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n"}

OLIST = {
    "olist_order_items_dataset.csv": """\
order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
00010242fe8c,1,4244733e06e7,48436dade18a,2017-09-19 09:45:35,58.90,13.29
00010242fe8c,2,4244733e06e7,48436dade18a,2017-09-19 09:45:35,58.90,13.29
00018f77f2f0,1,e5f2d52b8021,dd7ddc04e1b6,2017-05-03 11:05:13,239.90,19.93
000229ec3982,1,e5f2d52b8021,dd7ddc04e1b6,2018-01-18 14:48:30,199.00,17.87
""",
    "olist_orders_dataset.csv": """\
order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date
00010242fe8c,3ce436f183e6,delivered,2017-09-13 08:59:02,2017-09-13 09:45:35,2017-09-19 18:34:16,2017-09-20 23:43:48,2017-09-29 00:00:00
00018f77f2f0,f6dd3ec061db,delivered,2017-04-26 10:53:06,2017-04-26 11:05:13,2017-05-04 14:35:00,2017-05-12 16:04:24,2017-05-15 00:00:00
000229ec3982,6489ae5e4333,delivered,2018-01-14 14:33:31,2018-01-14 14:48:30,2018-01-16 12:36:48,2018-01-22 13:19:16,2018-02-05 00:00:00
""",
    "olist_customers_dataset.csv": """\
customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
3ce436f183e6,871766c5855e,28013,campos dos goytacazes,RJ
f6dd3ec061db,eb28e67c4c0b,15775,santa fe do sul,SP
6489ae5e4333,871766c5855e,35661,para de minas,MG
""",
    "olist_products_dataset.csv": """\
product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,product_weight_g,product_length_cm,product_height_cm,product_width_cm
4244733e06e7,cool_stuff,58,598,4,650,28,9,14
e5f2d52b8021,pet_shop,56,239,2,30000,50,30,40
""",
    "olist_order_payments_dataset.csv": """\
order_id,payment_sequential,payment_type,payment_installments,payment_value
00010242fe8c,1,credit_card,2,144.38
""",
    "product_category_name_translation.csv": """\
product_category_name,product_category_name_english
cool_stuff,cool_stuff
pet_shop,pet_shop
""",
}

DIGINETICA = {
    "train-purchases.csv": """\
sessionId;userId;timeframe;eventdate;ordernumber;itemId
150;18278;17100868;2016-05-06;16421;25911
151;NA;4028711;2016-05-07;16422;8170
152;NA;5028711;2016-05-08;16423;8170
""",
    "train-item-views.csv": """\
sessionId;userId;itemId;timeframe;eventdate
1;NA;81766;526309;2016-05-09
1;NA;31331;1031018;2016-05-09
150;18278;25911;17000000;2016-05-06
""",
    "products.csv": "itemId;pricelog2;product.name.tokens\n25911;3;4875,776\n8170;0;141\n",
    "product-categories.csv": "itemId;categoryId\n25911;1096\n8170;562\n",
}

YOOCHOOSE = {
    "yoochoose-buys.dat": """\
420374,2014-04-06T18:44:58.314Z,214537888,12462,1
420374,2014-04-06T18:44:58.325Z,214537850,10471,1
281626,2014-04-06T09:40:13.032Z,214535653,1883,2
""",
    "yoochoose-clicks.dat": """\
420374,2014-04-06T18:40:00.277Z,214537888,0
420374,2014-04-06T18:41:09.868Z,214537850,0
2,2014-04-07T13:56:37.614Z,214662742,S
""",
    "yoochoose-test.dat": "5,2014-04-07T17:13:46.713Z,214530776,0\n",
}

DUNNHUMBY = {
    "transaction_data.csv": """\
household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO,COUPON_DISC,COUPON_MATCH_DISC
2375,26984851472,1,1004906,1,1.39,364,-0.6,1631,1,0,0
2375,26984851472,1,1033142,1,0.82,364,0,1631,1,0,0
1364,26984896261,12,842930,2,2.19,31742,0,1520,2,0,0
""",
}

USER_BEHAVIOR = {
    "UserBehavior.csv": """\
1,2268318,2520377,pv,1511544070
1,2333346,2520771,fav,1511561733
1,2333346,2520771,cart,1511572885
100,2333346,2520771,buy,1511593493
""",
}

AMAZON = {
    "ratings_Beauty.csv": """\
UserId,ProductId,Rating,Timestamp
A39HTATAQ9V7YF,0205616461,5.0,1369699200
A3JM6GV9MNOF9X,0558925278,3.0,1355443200
A1Z513UWSAAO0F,0558925278,4.0,1404691200
""",
}
AMAZON_JSON = {
    "reviews_Beauty_5.json": "".join(
        json.dumps(
            {
                "reviewerID": user,
                "asin": item,
                "reviewerName": "J. McDonald",
                "helpful": [2, 3],
                "reviewText": "I bought this for my husband.",
                "overall": rating,
                "summary": "Heavenly",
                "unixReviewTime": time,
                "reviewTime": day,
            }
        )
        + "\n"
        for user, item, rating, time, day in (
            ("A2SUAM1J3GNN3B", "0000013714", 5.0, 1252800000, "09 13, 2009"),
            ("A1YJEY40YUW4SE", "7806397051", 1.0, 1391040000, "01 30, 2014"),
        )
    )
}

SHOPIFY = {
    "orders_export_1.csv": """\
Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Name,Id
#1001,ren@example.com,paid,2024-05-01 10:00:00 +0200,fulfilled,EUR,100.90,0.00,8.33,100.90,,0.00,2024-05-01 10:00:00 +0200,2,"Classic Tee, Black",25.00,TEE-BLK-M,Ren A,5011
#1001,ren@example.com,,,,,,,,,,,2024-05-01 10:00:00 +0200,1,Mug,50.90,MUG-1,,
#1002,jae@example.com,paid,2024-05-02 09:30:00 +0200,fulfilled,EUR,50.90,5.00,4.40,55.90,,0.00,2024-05-02 09:30:00 +0200,1,Mug,50.90,MUG-1,Jae B,5012
""",
}

WOOCOMMERCE = {
    "Order Items Export - 2024-05-31.csv": """\
"Product ID","Product SKU","Product Name","Product Categories","Order ID","Order Status","Order Date/Time","Line Item Quantity","Line Item Gross","Billing Name","Billing Email"
31,MUG-1,Mug,Kitchen,901,Completed,"2024-05-30 18:05:00",2,101.80,"Ren A",ren@example.com
32,TEE-2,"Tee, red",Clothing,901,Completed,"2024-05-30 18:05:00",1,25.00,"Ren A",ren@example.com
31,MUG-1,Mug,Kitchen,902,Completed,"2024-05-31 07:15:00",1,50.90,"Jae B",jae@example.com
""",
}

GA4 = {
    "ga4_flat.csv": """\
event_date,event_timestamp,event_name,user_id,user_pseudo_id,transaction_id,item_id,item_name,quantity
20210131,1612069510766593,view_item,,1026454.4271112504,,GGOEGAEB,Google Tee,
20210131,1612069520000000,add_to_cart,,1026454.4271112504,,GGOEGAEB,Google Tee,1
20210131,1612069530000000,begin_checkout,,1026454.4271112504,,GGOEGAEB,Google Tee,1
20210131,1612069540000000,purchase,,1026454.4271112504,T-9,GGOEGAEB,Google Tee,1
""",
}

GERMAN = {
    "bestellungen.csv": """\
Kundennr;Artikelnr;Bestellnummer;Datum;Uhrzeit;Menge;Preis
007;A-7;5001;13.01.2024;18:05;2;1.234,50
007;A-8;5001;13.01.2024;18:05;1,5;12,00
012;A-7;5002;02.02.2024;07:30;-1;1.234,50
""",
}
BRAZILIAN = {
    "vendas.csv": """\
cliente_id;produto_id;pedido;data;quantidade;valor
101;55;9001;31/01/2024 14:30;1;19,90
101;56;9001;31/01/2024 14:30;3;5,00
102;55;9002;01/02/2024 09:00;2;39,80
""",
}

LASTFM = {
    "userid-timestamp-artid-artname-traid-traname.tsv": (
        "user_000639\t2009-04-08T01:57:47Z\t8c9f7a5a\tThe Dogs D'Amour\td1\tFall in Love Again?\n"
        "user_000639\t2009-04-08T01:53:56Z\t8c9f7a5a\tThe Dogs D'Amour\td2\tWait Until I'm Dead\n"
        'user_000001\t2009-05-04T23:08:57Z\tf1b1cf71\tDeep Dish\t\tFamous "(Pacha Ibiza)-09\n'
    ),
}

ANNA = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
BERTA = "00007d2de826758b65a93dd24ce629ed66842531df6699338c5570910a014cc2"

EVENTS: dict[str, list[tuple[Any, ...]]] = {
    "RetailRocket": [
        (257597, 355908, "view", "2015-06-02 05:02:12", None, 1),
        (992329, 248676, "cart", "2015-06-02 05:50:14", None, 1),
        (992329, 248676, "purchase", "2015-06-02 05:13:19", "4000", 1),
    ],
    "REES46": [
        (541312140, 44600062, "view", "2019-10-01 00:00:00", None, 1),
        (543272936, 1004856, "cart", "2019-10-01 00:02:14", None, 1),
        (543272936, 1004856, "purchase", "2019-10-01 00:04:37", None, 1),
    ],
    "Online Retail II": [
        (13085, "79323P", "purchase", "2009-12-01 07:45:00", "489434", 12),
        (13085, "85048", "purchase", "2009-12-01 07:45:00", "489434", 12),
        (16321, "22087", "purchase", "2009-12-03 10:33:00", "C489449", -12),
    ],
    "H&M": [
        (ANNA, "0541518023", "purchase", "2018-09-20 00:00:00", None, 1),
        (ANNA, "0663713001", "purchase", "2018-09-20 00:00:00", None, 1),
        (BERTA, "0663713001", "purchase", "2018-09-21 00:00:00", None, 1),
    ],
    "MovieLens": [
        (1, 296, "purchase", "2006-05-17 15:34:04", None, 1),
        (1, 306, "view", "2006-05-17 12:26:57", None, 1),
        (2, 296, "purchase", "2006-03-03 19:56:30", None, 1),
    ],
    "Olist": [
        ("871766c5855e", "4244733e06e7", "purchase", "2017-09-13 08:59:02", "00010242fe8c", 1),
        ("871766c5855e", "4244733e06e7", "purchase", "2017-09-13 08:59:02", "00010242fe8c", 1),
        ("871766c5855e", "e5f2d52b8021", "purchase", "2018-01-14 14:33:31", "000229ec3982", 1),
        ("eb28e67c4c0b", "e5f2d52b8021", "purchase", "2017-04-26 10:53:06", "00018f77f2f0", 1),
    ],
}
"""Data set -> the events that its draft and the query of docs/your-data.md both give, worked out by hand.

Sorted by user, item and what happened.
"""


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    """Write the files of a data set; returns the one with the events."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding=encoding)
    return folder / next(iter(files))
