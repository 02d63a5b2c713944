package dev.cali.connectors.kinesis;

import java.io.IOException;
import org.apache.flink.util.ExceptionUtils;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.ApiCallAttemptTimeoutException;
import software.amazon.awssdk.core.exception.ApiCallTimeoutException;
import software.amazon.awssdk.services.kinesis.model.ExpiredIteratorException;
import software.amazon.awssdk.services.kinesis.model.KmsThrottlingException;
import software.amazon.awssdk.services.kinesis.model.LimitExceededException;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;

/** What to do about an exception of the Kinesis client. */
enum Failure {
    /** Passes by itself: throttling, an error of the service, a broken connection, a time-out. */
    TRANSIENT,
    /** The iterator was not used for five minutes: ask for a new one. */
    EXPIRED_ITERATOR,
    /** No such stream or shard. */
    NOT_FOUND,
    /** Does not pass by itself: no permission, no credentials, a wrong argument, a bug. */
    FATAL;

    private static final int SERVER_ERROR = 500;

    static Failure of(Throwable error) {
        if (error instanceof ExpiredIteratorException) {
            return EXPIRED_ITERATOR;
        }
        if (error instanceof ResourceNotFoundException) {
            return NOT_FOUND;
        }
        return isTransient(error) ? TRANSIENT : FATAL;
    }

    private static boolean isTransient(Throwable error) {
        if (error instanceof AwsServiceException service) {
            return service instanceof ProvisionedThroughputExceededException
                    || service instanceof LimitExceededException
                    || service instanceof KmsThrottlingException
                    || service instanceof ResourceInUseException
                    || service.isThrottlingException()
                    // The client corrects its clock by such an answer.
                    || service.isClockSkewException()
                    || service.statusCode() >= SERVER_ERROR;
        }
        return error instanceof ApiCallAttemptTimeoutException
                || error instanceof ApiCallTimeoutException
                || ExceptionUtils.findThrowable(error, IOException.class).isPresent();
    }
}
