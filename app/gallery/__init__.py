"""The gallery: server-rendered pages that show the images, and the browser sessions behind them."""
