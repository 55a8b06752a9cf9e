"""Images from files: the user's folders, MedMNIST, published collections."""
