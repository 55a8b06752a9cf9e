"""Images that are drawn: radiographs, planted parts, CT volumes."""
