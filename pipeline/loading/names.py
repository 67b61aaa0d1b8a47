"""What the columns and events of a shop are called elsewhere: tables of names, the most telling first.

A name stands here without blanks, accents, signs and capitals: `Customer ID` as `customerid`. One that ends
in `*` also stands for itself with each of ENDINGS: `user*` for `user`, `userid`, `userno`, ...
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

ENDINGS = ("id", "", "key", "no", "nr", "num", "number", "nummer", "code", "uuid", "hash")

USERS = (
    *("customerunique*", "user*", "customer*", "client*", "visitor*", "member*", "buyer*", "shopper*"),
    *("household*", "reviewer*", "person*", "account*", "userpseudo*", "fullvisitor*", "cust*", "uid"),
    *("kunde*", "kunden*", "cliente*", "utilisateur*", "acheteur*", "klant*", "customeruser*"),
    *("customeremail", "billingemail", "emailbilling", "email", "username", "author*"),
    *("device*", "cookie*", "session*", "usersession*", "visit*"),
)  # fmt: skip
ITEMS = (
    *("item*", "product*", "article*", "stockcode", "asin", "parentasin", "movie*", "book*", "isbn"),
    *("track*", "song*", "artist*", "game*", "business*", "recipe*", "goods*", "material*"),
    *("artikel*", "produkt*", "produto*", "producto*", "produit*", "prodotto*", "articulo*", "articolo*"),
    *("sku*", "productsku", "itemsku", "lineitemsku", "variantsku", "ean", "gtin", "upc"),
    *("lineitemname", "itemname", "productname"),
)  # fmt: skip
TIMES = (
    *("occurredat", "eventtime", "eventtimestamp", "eventdatetime", "servertimestamp", "timestamp"),
    *("timestampms", "timestampunix", "unixtime", "epoch", "datetime", "ts", "time"),
    *("invoicedate", "orderpurchasetimestamp", "purchasedat", "purchasetime", "purchasedate"),
    *("orderedat", "orderdatetime", "orderdate", "transactiontimestamp", "transactiontime", "tdat"),
    *("transactiondate", "transdate", "salesdate", "saledate", "unixreviewtime", "reviewtime"),
    *("reviewdate", "visitstarttime", "eventdate", "createdat", "created", "paidat", "date"),
    *("datum", "bestelldatum", "rechnungsdatum", "kaufdatum", "belegdatum", "datahora", "data"),
    *("datapedido", "datacompra", "datavenda", "fecha", "fechapedido", "fechacompra", "datecommande"),
    *("dateachat", "dataordine"),
)  # fmt: skip
CLOCKS = ("time", "ordertime", "transactiontime", "timeofday", "uhrzeit", "zeit", "hora", "heure", "ora")
"""Of a time of day, beside a column with the day."""

DAY_NUMBERS = ("day", "daynumber", "dayno", "dayid", "tag", "dia", "jour")
"""Of a day that is counted from a start which the file does not say."""

EVENTS = (
    *("eventtype", "event", "eventname", "behavior", "behaviour", "behaviortype", "behaviourtype"),
    *("action", "actiontype", "interaction", "interactiontype", "productaction", "evento", "aktion"),
    *("ereignis", "activitytype", "activity", "type"),
)  # fmt: skip
ORDERS = (
    *("order*", "invoice*", "basket*", "transaction*", "receipt*", "ticket*", "bestell*", "bestellung*"),
    *("rechnung*", "rechnungs*", "beleg*", "bon*", "pedido*", "commande*", "ordine*", "bestelling*"),
)  # fmt: skip
QUANTITIES = (
    *("quantity", "qty", "lineitemquantity", "itemquantity", "itemqty", "orderquantity"),
    *("quantityordered", "quantityrefund", "units", "unitssold", "pieces", "menge", "anzahl", "stuck"),
    *("stueck", "quantidade", "qtd", "qtde", "cantidad", "quantite", "qte", "quantita", "aantal"),
)  # fmt: skip
PRICES = (
    *("price", "unitprice", "priceperunit", "priceperpiece", "itemprice", "lineitemprice", "pricepaid"),
    *("saleprice", "sellingprice", "preis", "einzelpreis", "stuckpreis", "stueckpreis", "preco"),
    *("precounitario", "precio", "preciounitario", "prix", "prixunitaire", "prezzo", "prezzounitario"),
    *("prijs", "stuksprijs"),
)  # fmt: skip
DISCOUNTS = (
    *("discount", "unitdiscount", "itemdiscount", "discountamount", "lineitemdiscount", "rabatt"),
    *("desconto", "descuento", "remise", "sconto", "korting"),
)  # fmt: skip
RATINGS = ("rating", "ratings", "overall", "stars", "reviewscore", "bookrating", "bewertung")

STATUSES = ("status", "orderstatus", "financialstatus", "paymentstatus", "bestellstatus", "estado")
CANCELLED = (
    *("canceled", "cancelled", "cancel", "refunded", "voided", "failed", "rejected", "unavailable"),
    *("storniert", "erstattet", "cancelado", "estornado", "reembolsado", "annule", "rembourse", "rimborsato"),
)  # fmt: skip
"""Words in a status of orders that were no purchases after all."""

WORDS = {
    "view": (
        *("view", "views", "viewed", "viewitem", "itemview", "itemviews", "productview", "viewproduct"),
        *("pageview", "pageviews", "pv", "detail", "details", "productdetail", "click", "clicks"),
        *("clicked", "clk", "browse"),
    ),
    "cart": (
        *("cart", "carts", "addtocart", "addcart", "cartadd", "addedtocart", "basket", "addtobasket"),
        *("add", "atc"),
    ),
    "purchase": (
        *("purchase", "purchases", "purchased", "buy", "buys", "bought", "transaction", "transactions"),
        *("order", "orders", "ordered", "orderplaced", "sale", "sales", "sold", "pay", "paid"),
        *("kauf", "compra", "achat"),
    ),
}  # fmt: skip
"""Our event type -> what others call it."""

FILES = {
    "view": ("view", "views", "click", "clicks", "pageviews"),
    "cart": ("cart", "carts", "addtocart"),
    "purchase": ("purchase", "purchases", "buys", "order", "orders", "transaction", "transactions", "sales"),
}
"""Our event type -> the words in the name of a file that has nothing else."""

EVENT_OF = {word: event for event, words in WORDS.items() for word in words}
EVENT_OF_FILE = {word: event for event, words in FILES.items() for word in words}


def plain(name: str) -> str:
    """`Customer ID` as `customerid`."""
    text = unicodedata.normalize("NFKD", name).casefold()
    return "".join(sign for sign in text if sign.isalnum())


def rank(name: str, table: Sequence[str]) -> int | None:
    """The place of `name` in one of the tables above, 0 for the most telling; None where it is not in it."""
    text = plain(name)
    for place, entry in enumerate(table):
        stem = entry.removesuffix("*")
        if text == stem or (
            entry.endswith("*") and text.removeprefix(stem) in ENDINGS and text.startswith(stem)
        ):
            return place
    return None
