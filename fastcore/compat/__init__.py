"""Drop-in faces of other libraries' interfaces, thin over the public modules."""
