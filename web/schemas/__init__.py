"""What requests may say and what answers look like, as pydantic models; the API description is made from them."""
