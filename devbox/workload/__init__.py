"""The shop: user, order, payment and notify services, and every road between them."""
