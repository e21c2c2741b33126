-- Messages about answered lists come every second, and are removed soon after their delivery.
CREATE INDEX webhook_messages_delivered_answers ON webhook_messages (id)
    WHERE topic = 'recommendation.served' AND state = 'delivered';
