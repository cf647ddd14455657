"""What pages share: application factory, live channels, assets, charts."""
